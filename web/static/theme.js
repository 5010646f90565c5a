// Applies the remembered theme before anything is painted.
"use strict";
(() => {
  let theme = "auto";
  try { theme = localStorage.getItem("firebreak.theme") || "auto"; } catch { /* storage refused: follow the system */ }
  document.documentElement.dataset.theme = theme;
})();
