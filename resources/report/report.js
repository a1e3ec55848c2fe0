"use strict";
// The charts of a report: canvases that share one time axis. No library, no network.
// Times are ms since the start of the run; money is in the settle asset.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const LEFT = 78, RIGHT = 10, TOP = 22, BOTTOM = 20;
  const end = Math.max(data.t[data.t.length - 1], 1);
  const spanMin = Math.min(end, 200);
  const shown = { run: true, hold: data.holdFits, cash: true };
  let from = 0, to = end, cursor = null, drag = null;

  // -- numbers and times ---------------------------------------------------------------------------

  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();

  function decimals(step) { return Math.max(0, Math.min(8, -Math.floor(Math.log10(step) + 1e-9))); }

  function number(value, digits) {
    if (value === null || !Number.isFinite(value)) return "-";
    const places = digits ?? (value === 0 ? 0 : decimals(Math.max(Math.abs(value), 1e-9) / 1e4));
    return value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  }

  function percent(value, places) {
    const digits = value === 0 ? 0 : decimals(Math.max(Math.abs(100 * value), 1e-6) / 1e2);
    return number(100 * value, places ?? digits) + " %";
  }

  const axis = (value, step) => number(value, decimals(step));

  function instant(ms) { return new Date(data.startMs + ms).toISOString().replace("T", " ").slice(0, 23); }

  function ticks(low, high, count) {
    const raw = (high - low) / Math.max(1, count);
    const power = Math.pow(10, Math.floor(Math.log10(raw)));
    const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step || 0);
    return [found, step];
  }

  const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5,
    9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 2 * 864e5, 7 * 864e5, 14 * 864e5, 30 * 864e5,
    91 * 864e5, 182 * 864e5, 365 * 864e5];

  function timeTicks(count) {
    const raw = (to - from) / Math.max(1, count);
    const step = STEPS.find((one) => one >= raw) ?? STEPS[STEPS.length - 1];
    const found = [];
    for (let at = Math.ceil((data.startMs + from) / step) * step; at <= data.startMs + to; at += step)
      found.push(at - data.startMs);
    const label = (ms) => {
      const text = instant(ms);
      if (step >= 864e5) return text.slice(0, 10);
      if (step >= 6e4) return (to - from > 864e5 ? text.slice(5, 10) + " " : "") + text.slice(11, 16);
      return step >= 1e3 ? text.slice(11, 19) : text.slice(11, 23);
    };
    return [found, label];
  }

  /** Index of the last sample at or before `ms`. */
  function indexAt(ms, times = data.t) {
    let low = 0, high = times.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (times[middle] <= ms) low = middle; else high = middle - 1;
    }
    return low;
  }

  // -- panels --------------------------------------------------------------------------------------

  const falls = (values) => {
    let peak = -Infinity;
    return values.map((one) => {
      peak = Math.max(peak, data.capital + one);
      return (data.capital + one) / peak - 1;
    });
  };
  const fallRun = falls(data.profit), fallHold = falls(data.hold);
  const money = (value) => `${number(value)} ${data.settle} (${percent(value / data.capital)})`;

  const panels = [
    {
      id: "equity", height: 280, zero: true, format: axis,
      lines: () => [
        shown.hold && { values: data.hold, colour: "hold" },
        shown.run && { values: data.profit, colour: "run", wide: true },
      ].filter(Boolean),
      read: (i) => [shown.run && `run ${money(data.profit[i])}`,
        shown.hold && `buy and hold ${money(data.hold[i])}`, shown.cash && "cash 0"].filter(Boolean).join("   "),
    },
    {
      id: "drawdown", height: 130, zero: true, isFall: true, format: (value, step) => percent(value, decimals(100 * step)),
      lines: () => [
        shown.hold && { values: fallHold, colour: "hold" },
        shown.run && { values: fallRun, colour: "fall", area: true },
      ].filter(Boolean),
      read: (i) => [shown.run && `run ${percent(fallRun[i])}`,
        shown.hold && `buy and hold ${percent(fallHold[i])}`].filter(Boolean).join("   "),
    },
    {
      id: "price", height: 260, format: axis, fills: true,
      lines: () => [{ values: data.mid, colour: "dim" }],
      read: (i) => `mid ${number(data.mid[i])}`,
    },
    {
      id: "position", height: 110, zero: true, isStep: true, format: axis,
      lines: () => [{ values: data.position, colour: "accent" }],
      read: (i) => `position ${number(data.position[i])}`,
    },
  ];
  for (const panel of panels) {
    panel.box = document.getElementById(panel.id);
    panel.canvas = panel.box.querySelector("canvas");
    panel.seen = panel.box.querySelector(".seen");
    panel.pen = panel.canvas.getContext("2d");
  }

  function prepare(canvas, pen, height) {
    const ratio = window.devicePixelRatio || 1, width = canvas.parentElement.clientWidth;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = height + "px";
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, sans-serif";
    return width;
  }

  function rangeOf(panel, lines) {
    let low = Infinity, high = -Infinity;
    const first = indexAt(from), last = Math.min(data.t.length - 1, indexAt(to) + 1);
    for (const line of lines)
      for (let i = first; i <= last; i++) {
        const value = line.values[i];
        if (value === null) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    if (panel.fills)
      for (let i = indexAt(from, data.fills.t); i < data.fills.t.length && data.fills.t[i] <= to; i++) {
        if (data.fills.t[i] < from) continue;
        low = Math.min(low, data.fills.price[i]);
        high = Math.max(high, data.fills.price[i]);
      }
    if (panel.zero) { low = Math.min(low, 0); high = Math.max(high, 0); }
    if (!Number.isFinite(low)) [low, high] = [0, 1];
    const room = (high - low) * 0.06 || Math.abs(high) * 1e-4 || 1;
    return [low - room, panel.isFall ? 0 : high + room];
  }

  function draw(panel) {
    const { pen, height } = panel, width = prepare(panel.canvas, pen, height);
    const lines = panel.lines(), [low, high] = rangeOf(panel, lines);
    const x = (ms) => LEFT + (ms - from) / (to - from) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (high - value) / (high - low || 1) * (height - TOP - BOTTOM);
    panel.x = x; panel.y = y;
    grid(panel, pen, width, height, low, high, x, y);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, TOP - 4, width - LEFT - RIGHT, height - TOP - BOTTOM + 8);
    pen.clip();
    for (const line of lines) trace(panel, line, x, y, width);
    if (panel.fills) marks(pen, x, y);
    if (drag && drag.isSelecting) {
      pen.fillStyle = colour("shade");
      pen.fillRect(Math.min(drag.startX, drag.x), TOP, Math.abs(drag.x - drag.startX), height - TOP - BOTTOM);
    }
    if (cursor !== null) {
      pen.strokeStyle = colour("faint");
      pen.setLineDash([3, 3]);
      stroke(pen, [[x(cursor), TOP], [x(cursor), height - BOTTOM]], 1);
      pen.setLineDash([]);
    }
    pen.restore();
    panel.seen.textContent = cursor === null ? "" : panel.read(indexAt(cursor));
  }

  function stroke(pen, points, width) {
    pen.lineWidth = width;
    pen.beginPath();
    points.forEach(([px, py], i) => (i ? pen.lineTo(px, py) : pen.moveTo(px, py)));
    pen.stroke();
  }

  function grid(panel, pen, width, height, low, high, x, y) {
    const [levels, step] = ticks(low, high, Math.max(2, Math.floor(height / 48)));
    const [times, label] = timeTicks(Math.floor((width - LEFT) / 110));
    pen.strokeStyle = colour("line");
    pen.fillStyle = colour("dim");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const level of levels) {
      pen.globalAlpha = level === 0 ? 1 : 0.5;
      stroke(pen, [[LEFT, y(level)], [width - RIGHT, y(level)]], 1);
      pen.globalAlpha = 1;
      pen.fillText(panel.format(level, step), LEFT - 6, y(level));
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const at of times) {
      pen.globalAlpha = 0.35;
      stroke(pen, [[x(at), TOP], [x(at), height - BOTTOM]], 1);
      pen.globalAlpha = 1;
      const half = pen.measureText(label(at)).width / 2;
      pen.fillText(label(at), Math.max(LEFT + half, Math.min(width - half, x(at))), height - BOTTOM + 5);
    }
    if (panel.id === "equity" && shown.cash) {
      pen.strokeStyle = colour("dim");
      pen.setLineDash([6, 4]);
      stroke(pen, [[LEFT, y(0)], [width - RIGHT, y(0)]], 1);
      pen.setLineDash([]);
    }
  }

  /** A line; where a pixel holds several samples, their whole range is drawn. */
  function trace(panel, line, x, y, width) {
    const pen = panel.pen, first = indexAt(from), last = Math.min(data.t.length - 1, indexAt(to) + 1);
    const points = [];
    let column = null, low = 0, high = 0, at = 0;
    const flush = () => {
      if (column === null) return;
      points.push([column, y(low)]);
      if (high !== low) points.push([column, y(high)]);
      if (at !== high) points.push([column, y(at)]);
    };
    const thin = last - first > 2 * width;
    for (let i = first; i <= last; i++) {
      const value = line.values[i], px = thin ? Math.round(x(data.t[i])) : x(data.t[i]);
      if (thin && px === column) { low = Math.min(low, value); high = Math.max(high, value); at = value; continue; }
      if (thin) { flush(); column = px; low = high = at = value; continue; }
      if (panel.isStep && points.length) points.push([px, points[points.length - 1][1]]);
      points.push([px, y(value)]);
    }
    if (thin) flush();
    if (!points.length) return;
    pen.strokeStyle = pen.fillStyle = colour(line.colour);
    if (line.area) {
      pen.globalAlpha = 0.25;
      pen.beginPath();
      pen.moveTo(points[0][0], y(0));
      points.forEach(([px, py]) => pen.lineTo(px, py));
      pen.lineTo(points[points.length - 1][0], y(0));
      pen.fill();
      pen.globalAlpha = 1;
    }
    stroke(pen, points, line.wide ? 1.8 : 1.2);
  }

  function marks(pen, x, y) {
    const fills = data.fills, near = nearestFill();
    for (let i = indexAt(from, fills.t); i < fills.t.length && fills.t[i] <= to; i++) {
      if (fills.t[i] < from) continue;
      const px = x(fills.t[i]), py = y(fills.price[i]), up = fills.buy[i] ? 1 : -1, size = i === near ? 8 : 5;
      pen.fillStyle = colour(fills.buy[i] ? "up" : "down");
      pen.beginPath();
      pen.moveTo(px, py);
      pen.lineTo(px - size * 0.7, py + up * size * 1.5);
      pen.lineTo(px + size * 0.7, py + up * size * 1.5);
      pen.fill();
      if (i === near) { pen.strokeStyle = colour("bright"); pen.lineWidth = 1.5; pen.stroke(); }
    }
  }

  function nearestFill() {
    if (cursor === null || !data.fills.t.length) return -1;
    const right = indexAt(cursor, data.fills.t), reach = (to - from) * 0.008;
    let best = -1, closest = reach;
    for (let i = Math.max(0, right - 1); i <= Math.min(data.fills.t.length - 1, right + 1); i++) {
      const away = Math.abs(data.fills.t[i] - cursor);
      if (away <= closest) { best = i; closest = away; }
    }
    return best;
  }

  const tip = document.getElementById("tip");

  function showTip() {
    const i = nearestFill(), price = panels[2];
    tip.hidden = i < 0;
    if (i < 0) return;
    const f = data.fills;
    tip.textContent = [
      `${f.buy[i] ? "bought" : "sold"} ${number(f.qty[i])} at ${number(f.price[i])}`,
      `${instant(f.t[i])} UTC`,
      `${f.maker[i] ? "maker" : "taker"}, fee ${number(f.fee[i])} ${data.settle}`,
      f.rank[i] === null ? "" : `queue ahead at join: ${number(f.rank[i])} average trades`,
      f.after[i] === null ? "" : `after 5 s: ${number(f.after[i], 2)} bp`,
    ].filter(Boolean).join("\n");
    const left = price.x(f.t[i]), top = price.y(f.price[i]);
    tip.style.left = Math.min(left + 14, price.box.clientWidth - tip.offsetWidth - 8) + "px";
    tip.style.top = Math.max(24, top - tip.offsetHeight - 14) + "px";
  }

  let isWaiting = false;
  function redraw() {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      panels.forEach(draw);
      showTip();
      document.getElementById("range").textContent = `${instant(from)} to ${instant(to)} UTC`;
    });
  }

  // -- moving about --------------------------------------------------------------------------------

  function look(start, stop) {
    const span = Math.max(spanMin, Math.min(end, stop - start));
    from = Math.max(0, Math.min(end - span, start));
    to = from + span;
    redraw();
  }

  function zoom(factor, around = (from + to) / 2) {
    look(around - (around - from) * factor, around + (to - around) * factor);
  }

  const shift = (share) => look(from + (to - from) * share, to + (to - from) * share);
  const whole = () => look(0, end);

  function timeAt(panel, event) {
    const box = panel.canvas.getBoundingClientRect(), px = event.clientX - box.left;
    const share = (px - LEFT) / (box.width - LEFT - RIGHT);
    return [px, from + Math.max(0, Math.min(1, share)) * (to - from)];
  }

  for (const panel of panels) {
    const canvas = panel.canvas;
    canvas.addEventListener("wheel", (event) => {
      if (event.ctrlKey) return;
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) shift(event.deltaX / 800);
      else zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 300))), timeAt(panel, event)[1]);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      const [px, ms] = timeAt(panel, event);
      const isMoving = event.shiftKey || event.button === 1 || event.pointerType === "touch";
      drag = { startX: px, x: px, startMs: ms, from, to, isSelecting: !isMoving };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const [px, ms] = timeAt(panel, event);
      cursor = ms;
      if (drag) {
        drag.x = px;
        const width = canvas.clientWidth - LEFT - RIGHT;
        const moved = (drag.startX - px) / width * (drag.to - drag.from);
        if (!drag.isSelecting) look(drag.from + moved, drag.to + moved);
      }
      redraw();
    });
    canvas.addEventListener("pointerup", (event) => {
      const [px, ms] = timeAt(panel, event), was = drag;
      drag = null;
      if (was && was.isSelecting && Math.abs(px - was.startX) > 6)
        look(Math.min(was.startMs, ms), Math.max(was.startMs, ms));
      redraw();
    });
    canvas.addEventListener("pointercancel", () => { drag = null; redraw(); });
    canvas.addEventListener("pointerleave", () => { cursor = null; redraw(); });
    canvas.addEventListener("dblclick", whole);
    canvas.addEventListener("keydown", (event) => {
      const act = {
        ArrowLeft: () => shift(-0.2), ArrowRight: () => shift(0.2), "+": () => zoom(0.6), "=": () => zoom(0.6),
        "-": () => zoom(1.6), 0: whole, Home: () => look(0, to - from), End: () => look(end - (to - from), end),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
  }
  for (const [id, act] of [["in", () => zoom(0.5)], ["out", () => zoom(2)], ["left", () => shift(-0.5)],
    ["right", () => shift(0.5)], ["whole", whole]])
    document.getElementById("go-" + id).addEventListener("click", act);
  for (const name of Object.keys(shown)) {
    const button = document.getElementById("show-" + name);
    button.setAttribute("aria-pressed", String(shown[name]));
    button.addEventListener("click", () => {
      shown[name] = !shown[name];
      button.setAttribute("aria-pressed", String(shown[name]));
      redraw();
    });
  }

  // -- histogram -----------------------------------------------------------------------------------

  const bars = { canvas: document.querySelector("#returns canvas"), seen: document.querySelector("#returns .seen"), at: -1 };
  bars.pen = bars.canvas.getContext("2d");

  function drawBars() {
    const { edges_pct: edges, counts } = data.histogram, pen = bars.pen, height = 220;
    const width = prepare(bars.canvas, pen, height), most = Math.max(1, ...counts);
    const x = (i) => LEFT + i / Math.max(1, counts.length) * (width - LEFT - RIGHT);
    const y = (count) => TOP + (1 - count / most) * (height - TOP - BOTTOM);
    pen.fillStyle = colour("dim");
    pen.strokeStyle = colour("line");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const [levels, step] = ticks(0, most, 4);
    for (const level of levels) {
      if (step < 1 && level % 1) continue;
      stroke(pen, [[LEFT, y(level)], [width - RIGHT, y(level)]], 1);
      pen.fillText(number(level, 0), LEFT - 6, y(level));
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const every = Math.max(1, Math.ceil(edges.length / Math.max(1, Math.floor(width / 90))));
    const zero = edges.findIndex((one) => one === 0), places = decimals(Math.max(edges[1] - edges[0], 1e-8));
    edges.forEach((edge, i) => {
      if ((i - Math.max(0, zero)) % every) return;
      const text = number(edge, places) + " %", half = pen.measureText(text).width / 2;
      pen.fillText(text, Math.max(LEFT + half, Math.min(width - half, x(i))), height - BOTTOM + 5);
    });
    counts.forEach((count, i) => {
      pen.fillStyle = colour(i < zero ? "down" : "up");
      pen.globalAlpha = i === bars.at ? 1 : 0.75;
      pen.fillRect(x(i) + 1, y(count), Math.max(1, x(i + 1) - x(i) - 2), y(0) - y(count));
    });
    pen.globalAlpha = 1;
    const i = bars.at, total = counts.reduce((sum, one) => sum + one, 0);
    bars.seen.textContent = i < 0 ? "" : `${number(edges[i], places)} to ${number(edges[i + 1], places)} %: `
      + `${counts[i]} of ${total}`;
  }
  bars.canvas.addEventListener("pointermove", (event) => {
    const box = bars.canvas.getBoundingClientRect(), count = data.histogram.counts.length;
    const i = Math.floor((event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT) * count);
    bars.at = i >= 0 && i < count ? i : -1;
    drawBars();
  });
  bars.canvas.addEventListener("pointerleave", () => { bars.at = -1; drawBars(); });

  // -- fills, a page at a time ---------------------------------------------------------------------

  const PAGE = 25;
  let page = 0;
  function fillRows() {
    const f = data.fills, body = document.getElementById("fill-rows"), pages = Math.max(1, Math.ceil(f.t.length / PAGE));
    page = Math.max(0, Math.min(pages - 1, page));
    body.replaceChildren();
    for (let i = page * PAGE; i < Math.min(f.t.length, (page + 1) * PAGE); i++) {
      const row = body.insertRow();
      const cells = [instant(f.t[i]), f.buy[i] ? "buy" : "sell", String(f.price[i]), String(f.qty[i]), String(f.fee[i]),
        f.maker[i] ? "maker" : "taker", f.rank[i] === null ? "-" : number(f.rank[i], 2),
        f.after[i] === null ? "-" : number(f.after[i], 2)];
      cells.forEach((text, column) => {
        const cell = row.insertCell();
        cell.textContent = text;
        if (column > 1 && column !== 5) cell.className = "n";
        if (column === 1) cell.className = f.buy[i] ? "up" : "down";
      });
      row.addEventListener("click", () => {
        const span = Math.max(spanMin, end / 50);
        look(f.t[i] - span / 2, f.t[i] + span / 2);
        cursor = f.t[i];
        document.getElementById("charts").scrollIntoView();
      });
    }
    document.getElementById("page").textContent = f.t.length ? `${page + 1} of ${pages}` : "none";
  }
  document.getElementById("page-back").addEventListener("click", () => { page--; fillRows(); });
  document.getElementById("page-on").addEventListener("click", () => { page++; fillRows(); });

  // -- light, dark, size ---------------------------------------------------------------------------

  const all = () => { redraw(); drawBars(); };
  if (window.matchMedia("(prefers-color-scheme: light)").matches) root.dataset.theme = "light";
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
    all();
  });
  new ResizeObserver(all).observe(document.body);
  panels.forEach(draw);
  drawBars();
  fillRows();
  redraw();
  root.dataset.drawn = String(panels.length + 1);
})();
