// Before and after: one small uPlot per service level, with the onset and the fix drawn in.
"use strict";
(() => {
  const section = document.querySelector("[data-plots]");
  if (!section) return;
  const area = section.querySelector(".plots");
  let drawn = [];
  let last = "";

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const figure = (value, unit) => {
    if (value === null || value === undefined) return "–";
    if (Math.abs(value) < 0.0005) return unit === "ratio" ? "0 %" : unit === "s" ? "0 s" : "0";
    if (unit === "s") return value < 1 ? `${(value * 1000).toPrecision(3)} ms` : `${value.toPrecision(3)} s`;
    if (unit === "ms") return `${Number(value.toPrecision(3))} ms`;
    if (unit === "ratio") return `${(value * 100).toPrecision(3)} %`;
    return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : `${Number(value.toPrecision(3))}`;
  };

  const marks = (data) => ({
    hooks: {
      draw: [(plot) => {
        const { ctx, bbox } = plot;
        for (const [time, name] of [[data.onset, "--crit"], [data.fixed, "--ok"]]) {
          if (!time) continue;
          const x = plot.valToPos(time, "x", true);
          if (x < bbox.left || x > bbox.left + bbox.width) continue;
          ctx.save();
          ctx.strokeStyle = colour(name);
          ctx.lineWidth = 2 * devicePixelRatio;
          ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
          ctx.restore();
        }
      }],
    },
  });

  const draw = (data) => {
    drawn.forEach((plot) => plot.destroy());
    drawn = [];
    area.replaceChildren();
    section.hidden = data.series.length === 0;
    const areas = [];
    for (const series of data.series) {
      const box = document.createElement("figure");
      box.className = "plot";
      const caption = document.createElement("figcaption");
      const title = document.createElement("strong");
      title.textContent = `${series.service}: ${series.metric}`;
      const words = document.createElement("span");
      words.className = "muted";
      words.textContent = `${figure(series.before, series.unit)} before, ${figure(series.worst, series.unit)} at worst`
        + (data.fixed ? `, ${figure(series.after, series.unit)} after` : `, ${figure(series.after, series.unit)} now`);
      caption.append(title, words);
      const canvas = document.createElement("div");
      canvas.className = "plot-area";
      canvas.setAttribute("aria-hidden", "true");
      box.append(caption, canvas);
      area.append(box);
      areas.push([series, canvas]);
    }
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 },
      font: "11px system-ui, sans-serif" };
    for (const [series, canvas] of areas) {
      drawn.push(new uPlot({
        width: Math.max(200, canvas.clientWidth), height: 148, legend: { show: false }, cursor: { y: false },
        tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
        scales: { y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1] } },
        axes: [{ ...axis, space: 70, values: [[1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 0]] },
          { ...axis, size: 58, values: (_, values) => values.map((v) => figure(v, series.unit)) }],
        series: [{}, { stroke: colour("--accent"), width: 1.75, points: { show: false } }],
        plugins: [marks(data)],
      }, [series.times, series.values], canvas));
    }
  };

  const load = () => fetch(section.dataset.plots).then((answer) => (answer.ok ? answer.json() : null)).then((data) => {
    if (!data) return;
    const text = JSON.stringify(data);
    if (text === last) return;
    last = text;
    draw(data);
  }).catch(() => {});

  let waiting = null;
  const soon = (wait) => { clearTimeout(waiting); waiting = setTimeout(load, wait); };
  document.addEventListener("htmx:sseMessage", () => { if (!waiting) soon(1500); else { /* one is on its way */ } });
  document.addEventListener("firebreak:theme", () => { if (last) draw(JSON.parse(last)); });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; if (last) draw(JSON.parse(last)); } });
  load().finally(() => { waiting = null; });
  document.addEventListener("htmx:oobAfterSwap", () => soon(1500));
})();
