// Light or dark: as the system says, or as the user chose for this browser.
import { signButton } from "./dom.js";

const ORDER = ["system", "light", "dark"], KEY = "xmr-theme";
const changed = () => document.dispatchEvent(new Event("themechange"));

/** A button that goes round the themes; pages hear of each change by the document's event "themechange". */
export function themeButton() {
  const root = document.documentElement, stored = localStorage.getItem(KEY);
  let theme = ORDER.includes(stored) ? stored : "system";
  const apply = () => {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    button.title = `Colours: ${theme}`;
    button.setAttribute("aria-label", `Colours: ${theme}; change`);
  };
  const button = signButton("sun", "Colours", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    localStorage.setItem(KEY, theme);
    apply();
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  apply();
  return button;
}
