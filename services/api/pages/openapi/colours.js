"use strict";
// Swagger UI has dark colours and leaves it to the page when to show them: as in the console, by the reader's choice there, else by the system.

const system = matchMedia("(prefers-color-scheme: dark)");

function chosen() {
  try {
    return localStorage.getItem("crossdock.theme");
  } catch {
    return null; // storage is forbidden
  }
}

function show() {
  const theme = chosen();
  const isDark = theme === "dark" || (theme !== "light" && system.matches);
  document.documentElement.classList.toggle("dark-mode", isDark);
}

show();
system.addEventListener("change", show);
