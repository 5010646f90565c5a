// Theme, running clocks, the live region. Pages are complete without it.
"use strict";
(() => {
  const root = document.documentElement;
  const names = { auto: "follow the system", light: "light", dark: "dark" };
  const order = ["auto", "light", "dark"];

  const showTheme = () => {
    const button = document.querySelector("[data-theme-toggle]");
    if (!button) return;
    const theme = root.dataset.theme || "auto";
    button.textContent = { auto: "◐", light: "○", dark: "●" }[theme];
    button.setAttribute("aria-label", `Theme: ${names[theme]}`);
    button.title = `Theme: ${names[theme]}`;
  };

  const span = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  };

  const tick = () => {
    const now = Date.now();
    for (const node of document.querySelectorAll("[data-since]"))
      node.textContent = span((now - Date.parse(node.dataset.since)) / 1000);
    for (const node of document.querySelectorAll("[data-expires]")) {
      const left = (Date.parse(node.dataset.expires) - now) / 1000;
      node.textContent = left > 0 ? `in ${span(left)}` : "now: ask again";
    }
  };

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const next = order[(order.indexOf(root.dataset.theme || "auto") + 1) % order.length];
    root.dataset.theme = next;
    try { localStorage.setItem("firebreak.theme", next); } catch { /* not remembered then */ }
    showTheme();
    document.dispatchEvent(new CustomEvent("firebreak:theme"));
  });

  // A form that is sent twice by an impatient double click is sent once.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent && !form.matches("[data-again]")) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  });

  // Screen readers hear what happened, one line per event.
  document.addEventListener("htmx:sseMessage", (event) => {
    const detail = event.detail || {};
    const text = detail.data || "";
    const live = document.getElementById("announce");
    if (live && text && text.length < 200) live.textContent = text;
  });

  document.addEventListener("htmx:configRequest", (event) => {
    const csrf = document.querySelector("meta[name=csrf]");
    if (csrf) event.detail.headers["X-CSRF-Token"] = csrf.content;
  });

  // The sign-in page after following a link from elsewhere: a strict cookie was not sent, but it is there.
  const resume = document.querySelector("[data-resume]");
  if (resume) {
    fetch("/api/session", { headers: { Accept: "application/json" } })
      .then((answer) => { if (answer.ok) location.replace(resume.dataset.resume); })
      .catch(() => {});
  }

  document.addEventListener("DOMContentLoaded", () => { showTheme(); tick(); });
  showTheme();
  tick();
  setInterval(tick, 1000);
})();
