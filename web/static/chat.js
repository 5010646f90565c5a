// The conversation: questions go to /api/chat, answers arrive piece by piece over SSE.
"use strict";
(() => {
  const panel = document.querySelector("[data-chat]");
  if (!panel || !window.ReadableStream) return;
  const log = panel.querySelector(".chat-log");
  const csrf = document.querySelector("meta[name=csrf]");
  let busy = false;

  const line = (tag, className, text) => {
    const node = document.createElement(tag);
    node.className = className;
    node.textContent = text;
    return node;
  };

  const reference = (name) => {
    const link = line("a", "ref", name);
    link.href = name.startsWith("L") ? `/ledger?seq=${name.slice(1)}#${name}` : `#${name}`;
    return link;
  };

  const show = (answer, piece) => {
    if (piece.kind === "source") answer.append(line("p", "from", piece.text));
    if (piece.kind === "sentence") {
      const text = line("p", "", `${piece.text} `);
      for (const name of piece.evidence || []) text.append(reference(name), " ");
      answer.append(text);
    }
    if (piece.kind === "unsupported") {
      const text = line("p", "unsupported", `${piece.text} `);
      text.append(line("span", "badge warn", "no evidence"));
      answer.append(text);
    }
    if (piece.kind === "suggestion") {
      let chips = answer.querySelector(".chips");
      if (!chips) { chips = line("div", "chips", ""); answer.append(chips); }
      const chip = line("button", "", piece.text);
      chip.type = "button";
      chip.addEventListener("click", () => ask(piece.text));
      chips.append(chip);
    }
    log.scrollTop = log.scrollHeight;
  };

  const read = async (response, answer) => {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value.replaceAll("\r\n", "\n");
      const frames = rest.split("\n\n");
      rest = frames.pop();
      for (const frame of frames) {
        const data = frame.split("\n").filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trim()).join("\n");
        if (data) show(answer, JSON.parse(data));
      }
    }
  };

  const ask = async (text) => {
    if (busy || !text.trim()) return;
    busy = true;
    log.setAttribute("aria-busy", "true");
    log.append(line("p", "said", text));
    const answer = line("div", "answer", "");
    log.append(answer);
    log.scrollTop = log.scrollHeight;
    try {
      const response = await fetch(panel.dataset.chat, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "text/event-stream", "X-CSRF-Token": csrf ? csrf.content : "" },
        body: JSON.stringify({ text, incident: panel.dataset.incident || null }),
      });
      if (response.ok) await read(response, answer);
      else {
        const problem = await response.json().catch(() => ({}));
        answer.append(line("p", "unsupported", problem.detail || `The question was refused (${response.status}).`));
      }
    } catch {
      answer.append(line("p", "unsupported", "The answer broke off: the app does not answer. Ask again in a moment."));
    }
    log.setAttribute("aria-busy", "false");
    busy = false;
  };

  panel.addEventListener("submit", (event) => {
    const form = event.target;
    const chip = event.submitter && event.submitter.name === "text" ? event.submitter.value : null;
    const field = form.querySelector("input[name=text]");
    event.preventDefault();
    ask(chip || (field ? field.value : ""));
    if (field) field.value = "";
  });
  for (const form of panel.querySelectorAll("form")) form.dataset.again = "1";
})();
