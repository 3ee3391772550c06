/** Light or dark: as the notebook is, or as the user said. */

/** What notebooks and editors say of themselves, on the element given. */
const SAYS = [
  { where: "body", attribute: "data-jp-theme-light", light: "true", dark: "false" },
  { where: "body", attribute: "data-vscode-theme-kind", light: "vscode-light", dark: "vscode-dark" },
  { where: "html", attribute: "data-theme", light: "light", dark: "dark" },
];

/** @returns {"dark" | "light"} */
export function surroundings() {
  for (const { where, attribute, light, dark } of SAYS) {
    const said = document.querySelector(where)?.getAttribute(attribute);
    if (said === light) return "light";
    if (said === dark) return "dark";
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/**
 * Keep `data-theme` of the root as it should be.
 * @param {HTMLElement} root
 * @param {() => "auto" | "dark" | "light"} wanted
 * @param {AbortSignal} signal ends it
 * @param {() => void} changed
 */
export function followTheme(root, wanted, signal, changed) {
  const apply = () => {
    const choice = wanted();
    const theme = choice === "auto" ? surroundings() : choice;
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    changed();
  };
  const observer = new MutationObserver(apply);
  const options = { attributes: true, attributeFilter: SAYS.map((said) => said.attribute) };
  for (const element of [document.documentElement, document.body]) observer.observe(element, options);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  apply();
  return apply;
}
