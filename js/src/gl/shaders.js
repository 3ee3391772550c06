/**
 * What runs on the graphics card. All pixels of images come as unsigned integers, whatever they
 * are: only these are sampled alike everywhere, need no extension and lose no bit. `KIND` says what
 * they mean: INT up to 32 bits, WIDE 64 bits (low and high word), FLOAT the bits of a float32.
 *
 * Rectangles are in pixels of what is drawn to, top row first; `size` is its width, height, and
 * whether it is upside down, as a canvas is.
 */

/** Draws the rectangle `rect` without any buffer: four vertices of a strip. */
export const RECTANGLE = `uniform ivec4 rect;uniform ivec3 size;
void main(){
vec2 c=vec2(gl_VertexID&1,gl_VertexID>>1);
vec2 p=mix(vec2(rect.xy),vec2(rect.zw),c)/vec2(size.xy)*2.-1.;
gl_Position=vec4(p.x,size.z>0?-p.y:p.y,0,1);}`;

const PIXEL = `uniform ivec4 rect;uniform ivec3 size;
ivec2 pixel(){ivec2 p=ivec2(gl_FragCoord.xy);return size.z>0?ivec2(p.x,size.y-1-p.y):p;}`;

/*
 * The texel under a pixel's centre: `first + start + pixel * stride`, where the stride comes in two
 * parts so that the product with the first is exact. In one float32, one pixel in thousands would
 * show its neighbour. What lies on an edge, but for rounding, belongs to the later texel.
 */
const TEXEL = `uniform ivec2 shape,first;uniform vec2 start;uniform vec4 stride;
uniform usampler2D tile[N];uniform uvec2 constant[N];uniform bool solid[N];
ivec2 texel(){
vec2 p=vec2(pixel()-rect.xy),a=p*stride.xy,f=floor(a);
return clamp(first+ivec2(f)+ivec2(floor(start+(a-f)+p*stride.zw+1e-6)),ivec2(0),shape-1);}
#define RAW(i) (solid[i]?constant[i]:texelFetch(tile[i],t,0).rg)`;

/*
 * `above`: how far a value is above the window's low end. Integers are first made to count from
 * zero (`sign` is the sign's bit), and subtracted as integers: a float32 has 24 bits only. Of the
 * low end, `base` is the part in whole numbers, `range.xy` the rest (for floats: it in two parts).
 */
const VALUE = `uniform uvec2 base[N];uniform uint sign;uniform vec4 range[N];uniform vec3 color[N];
#if KIND==FLOAT
bool nothing(uvec2 r){return (r.x&0x7fffffffu)>0x7f800000u;}
float above(uvec2 r,uvec2 base,vec4 range){return uintBitsToFloat(r.x)-range.x-range.y;}
#else
bool nothing(uvec2 r){return false;}
#if KIND==WIDE
float above(uvec2 r,uvec2 base,vec4 range){
uvec2 v=uvec2(r.x,r.y^sign);
bool up=v.y>base.y||v.y==base.y&&v.x>=base.x;
uvec2 a=up?v:base,b=up?base:v;
float d=float(a.y-b.y-(a.x<b.x?1u:0u))*4294967296.+float(a.x-b.x);
return (up?d:-d)-range.x;}
#else
float above(uvec2 r,uvec2 base,vec4 range){uint v=r.x^sign;
return (v>=base.x?float(v-base.x):-float(base.x-v))-range.x;}
#endif
#endif
float shade(float d,vec4 range){
float s=range.z==0.?float(d>0.):clamp(d*range.z,0.,1.);
#if GAMMA
s=range.w==1.||s==0.?s:pow(s,range.w);
#endif
return s;}`;

/** Channels that are added up at once, at most. */
export const AT_ONCE = 8;

const EACH = Array.from({ length: AT_ONCE }, (_, i) => `#if N>${i}\nONE(${i})\n#endif\n`).join("");

const ADD = `${PIXEL}${TEXEL}
${VALUE}out vec4 o;
#define ONE(i) {\\
uvec2 r=RAW(i);vec4 w=range[i];if(!nothing(r))o.rgb+=color[i]*shade(above(r,base[i],w),w);}
void main(){
ivec2 t=texel();o=vec4(0,0,0,1);
${EACH}}`;

const RESOLVE = `${PIXEL}uniform sampler2D sum;uniform ivec3 origin;out vec4 o;
void main(){
vec4 c=texelFetch(sum,(pixel()-origin.xy)/origin.z,0);
if(c.a==0.)discard;
o=vec4(min(c.rgb,1.),1);}`;

const PAINT = `${PIXEL}uniform vec4 paint;uniform int pattern;out vec4 o;
void main(){
ivec2 p=pixel();o=paint;
if(pattern==1)o.rgb+=((p.x>>3)+(p.y>>3)&1)==0?.012:-.012;
if(pattern==2&&(p.x+p.y)%8>2)discard;}`;

/** A label's pixel as 64 bits: what is narrower is extended by its sign. */
const IDS = `${PIXEL}${TEXEL}
uniform uint sign;out uvec4 o;
void main(){ivec2 t=texel();uvec2 r=RAW(0);
#if KIND==WIDE
o=uvec4(r,0,0);
#else
o=uvec4((r.x^sign)-sign,(r.x&sign)==0u?0u:~0u,0,0);
#endif
}`;

/** Colours by hash as in `ngffkit.plots.compose.label_colors`, in 64 bits made of two words. */
const HASH = `uvec2 times(uvec2 a,uvec2 b){
uvec2 l=a.xx&uvec2(65535),h=uvec2(a.x>>16,b.x>>16);l.y=b.x&65535u;
uint m=l.x*h.y,n=h.x*l.y,c=(l.x*l.y>>16)+(m&65535u)+(n&65535u);
return uvec2(a.x*b.x,h.x*h.y+(m>>16)+(n>>16)+(c>>16)+a.x*b.y+a.y*b.x);}
uvec2 fold(uvec2 v,int s){return v^uvec2(v.x>>s|v.y<<(32-s),v.y>>s);}
vec3 hashed(uvec2 k){
const uvec2 G=uvec2(0x7F4A7C15u,0x9E3779B9u);
float hue=float(times(k,G).y)/4294967296.*6.;
uvec2 m=uvec2(k.x+G.x,k.y+G.y+(k.x+G.x<G.x?1u:0u));
m=times(fold(m,30),uvec2(0x1CE4E5B9u,0xBF58476Du));
m=fold(times(fold(m,27),uvec2(0x133111EBu,0x94D049BBu)),31);
float s=.55+.4*float(m.x&255u)/255.,v=.8+.2*float(m.x>>8&255u)/255.;
vec3 w=mod(vec3(5,3,1)+hue,6.),c=v-v*s*clamp(min(w,4.-w),0.,1.);
float l=dot(c,vec3(.299,.587,.114));
c+=(1.-c)*max(0.,(.42-l)/(1.-l));
return floor(c*255.+.5)/255.;}`;

const LABELS = `${PIXEL}${HASH}uniform usampler2D ids,given,chosen;uniform ivec4 bounds;
uniform ivec2 givenTable,chosenTable,widths;uniform uvec2 seed,hovered;uniform float opacity;
out vec4 o;
bool find(usampler2D t,ivec2 table,uvec2 id,out uint c){
uint h=id.x*0x9E3779B1u^id.y*0x85EBCA6Bu;h^=h>>15;
for(int i=0;i<table.y;i++){
uint k=h+uint(i)&uint(table.x);uvec4 e=texelFetch(t,ivec2(k&1023u,k>>10),0);
if(e.w==0u)return false;
c=e.z;if(e.xy==id)return true;}
return false;}
bool other(ivec2 p,uvec2 id){
return all(greaterThanEqual(p,bounds.xy))&&all(lessThan(p,bounds.zw))&&texelFetch(ids,p,0).rg!=id;}
bool edge(ivec2 p,uvec2 id,int w){
for(int i=1;i<=w;i++)if(other(p+ivec2(i,0),id)||other(p-ivec2(i,0),id)
||other(p+ivec2(0,i),id)||other(p-ivec2(0,i),id))return true;
return false;}
void main(){
ivec2 p=pixel();uvec2 id=texelFetch(ids,p,0).rg;uint c=0u;
if(id==uvec2(0))discard;
bool some=chosenTable.y>0,mine=some&&find(chosen,chosenTable,id,c),rim=mine&&edge(p,id,widths.y);
if(!rim&&widths.x>0&&!edge(p,id,widths.x))discard;
if(find(given,givenTable,id,c))o=vec4(uvec4(c,c>>8,c>>16,c>>24)&255u)/255.;
else o=vec4(hashed(id^seed),1);
if(id==hovered)o.rgb=mix(o.rgb,vec3(1),.25);
o.a*=opacity*(some&&!mine?.35:1.);
if(rim)o=vec4(1);}`;

/*
 * Crosses the brick slice by slice along `axis`, its own axis that is nearest to the line of sight
 * (`sight` advances one voxel along it), and keeps the maximum.
 */
const PROJECT = `${PIXEL}${VALUE}uniform highp usampler3D brick;uniform ivec3 dims;
uniform uvec2 constant[N];uniform bool solid[N];
uniform vec3 corner,across,down,sight;uniform int axis;
out vec4 o;
void main(){
vec2 p=vec2(pixel());
vec3 v=corner+across*p.x+down*p.y,a=-v/sight,b=(vec3(dims)-v)/sight,n=min(a,b),f=max(a,b);
float t=max(n.x,max(n.y,n.z)),u=min(f.x,min(f.y,f.z)),c=v[axis],s=sight[axis];
if(t>u)discard;
int i=max(int(floor(min(c+s*t,c+s*u)-.5)),0),e=min(int(ceil(max(c+s*t,c+s*u)+.5)),dims[axis]);
bool met=false,any_=false;float best=0.;vec4 w=range[0];
for(;i<e;i++){
ivec3 x=ivec3(floor(v+sight*((float(i)+.5-c)*s)));
if(any(lessThan(x,ivec3(0)))||any(greaterThanEqual(x,dims)))continue;
uvec2 r=solid[0]?constant[0]:texelFetch(brick,x,0).rg;
met=true;
if(nothing(r))continue;
float d=above(r,base[0],w);
best=any_?max(best,d):d;any_=true;
if(w.z>0.&&d*w.z>=1.)break;}
if(!met)discard;
o=vec4(any_?color[0]*shade(best,w):vec3(0),1);}`;

const EDGES_AT = `uniform ivec3 size;uniform vec2 middle;uniform vec3 extent,right,down;
void main(){
int e=gl_VertexID>>1,a=e>>2;
vec3 c=vec3(gl_VertexID&1,e&1,e>>1&1);
c=((a==0?c:a==1?c.yxz:c.yzx)-.5)*extent;
vec2 p=(middle+vec2(dot(c,right),dot(c,down)))/vec2(size.xy)*2.-1.;
gl_Position=vec4(p.x,-p.y,0,1);}`;

const EDGES = `uniform vec4 paint;out vec4 o;void main(){o=paint;}`;

/** @type {Record<string, [vertex: string, fragment: string]>} */
export const SHADERS = {
  add: [RECTANGLE, ADD],
  resolve: [RECTANGLE, RESOLVE],
  paint: [RECTANGLE, PAINT],
  ids: [RECTANGLE, IDS],
  labels: [RECTANGLE, LABELS],
  project: [RECTANGLE, PROJECT],
  edges: [EDGES_AT, EDGES],
};

/** Which texture unit a sampler reads, `tile` being the first of several: kinds share none. */
export const UNITS = { brick: 0, sum: 1, ids: 2, given: 3, chosen: 4, tile: 5 };
