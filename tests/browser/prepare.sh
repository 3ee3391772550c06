# Install Chromium, node and npm where that can be done without asking; else say what to do.
#   sh tests/browser/prepare.sh
# Nothing fails here: the tests say themselves what they miss.

there() {
  for name in "$@"; do
    if command -v "$name" >/dev/null; then return 0; fi
  done
  return 1
}

wanted=""
test -n "${NGFFKIT_CHROMIUM:-}" \
  || there chromium chromium-browser google-chrome google-chrome-stable || wanted=" chromium"
there node || wanted="$wanted nodejs"
there npm || wanted="$wanted npm"
test -n "$wanted" || exit 0

if test "$(id -u)" = 0 && there apt-get; then
  echo "installing$wanted for the tests of the viewer"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # several words
  if apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends $wanted >/dev/null
  then exit 0; fi
fi
echo "going on without$wanted: tests of the viewer that need it are skipped; apt-get install$wanted brings it"
