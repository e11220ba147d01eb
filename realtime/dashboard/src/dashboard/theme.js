// Before anything is painted: the theme that was chosen here last, or else the system's.

const KEY = "realtime-theme";
const system = matchMedia("(prefers-color-scheme: light)");

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    // A browser that forbids storage remembers nothing.
    return null;
  }
}

function paint() {
  const chosen = remembered();
  document.documentElement.dataset.theme = chosen === "light" || chosen === "dark" ? chosen : system.matches ? "light" : "dark";
}

system.addEventListener("change", paint);
addEventListener("storage", ({ key }) => key === KEY && paint());
paint();
