// What somebody has chosen in this browser. Where nothing can be kept, the choice holds for this page.
import { signal } from "@preact/signals";

function kept(name, fallback) {
  const chosen = signal(read(name) ?? fallback);
  return {
    get value() {
      return chosen.value;
    },
    set value(given) {
      chosen.value = given;
      write(name, given);
    },
  };
}

function read(name) {
  try {
    return localStorage.getItem(`crossdock.${name}`);
  } catch {
    return null;
  }
}

function write(name, value) {
  try {
    localStorage.setItem(`crossdock.${name}`, value);
  } catch {
    // forbidden by the browser
  }
}

const chosenTheme = kept("theme", "system");

/** "system", "light" or "dark". */
export const theme = {
  get value() {
    return chosenTheme.value;
  },
  set value(given) {
    chosenTheme.value = given;
    if (given === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = given;
  },
};

/** Whether single letters are commands: "on" or "off". */
export const letters = kept("letters", "on");
