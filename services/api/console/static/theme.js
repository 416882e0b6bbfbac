// Sets the colours that somebody has chosen before anything is painted. Without a choice the system decides.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("crossdock.theme");
  } catch {
    return; // storage is forbidden: the system decides
  }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
