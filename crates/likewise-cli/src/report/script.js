"use strict";
// Read-outs for pointer, touch and keyboard. The page is complete without this.

function element(parent, name, attributes) {
  const node = document.createElementNS(parent.namespaceURI, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  return parent.appendChild(node);
}

/** Position of a pointer event in drawing units. */
function drawingPoint(svg, event) {
  const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
  const scale = view.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

/** Puts the tip beside a place in drawing units, inside the plot. */
function placeTip(tip, svg, x, y) {
  tip.hidden = false;
  const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  const plot = tip.parentNode, left = x * scale + 14, top = y * scale - tip.offsetHeight / 2;
  const flip = left + tip.offsetWidth > plot.clientWidth;
  const wanted = flip ? x * scale - 14 - tip.offsetWidth : left;
  tip.style.left = Math.max(0, Math.min(wanted, plot.clientWidth - tip.offsetWidth)) + "px";
  tip.style.top = Math.max(0, Math.min(top, plot.clientHeight - tip.offsetHeight)) + "px";
}

function textLine(tip, text) {
  tip.appendChild(document.createElement("div")).textContent = text;
}

function focusable(node, label) {
  node.tabIndex = 0;
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", label);
}

/** Cross-hair with the values of all curves at the nearest place. */
function curves(figure) {
  const plot = figure.querySelector(".plot"), svg = plot.querySelector("svg");
  const tip = plot.querySelector(".tip"), live = figure.querySelector(".live");
  const series = [...svg.querySelectorAll(".series")].map((group) => ({
    name: group.dataset.name,
    points: group.dataset.points.split(";").filter(Boolean).map((entry) => {
      const [at, x, y] = entry.split("|"), [px, py] = at.split(" ").map(Number);
      return { px, py, x, y };
    }),
  })).filter((s) => s.points.length).reverse();
  if (!series.length) return;
  const marks = element(svg, "g", { visibility: "hidden" });
  const line = element(marks, "path", { class: "cross" });
  const rings = series.map(() => element(marks, "circle", { r: 5, class: "ring" }));
  const places = [...new Map(series.flatMap((s) => s.points).map((p) => [p.px, p])).values()]
    .sort((a, b) => a.px - b.px);
  const nearest = (points, x) =>
    points.reduce((best, p) => (Math.abs(p.px - x) < Math.abs(best.px - x) ? p : best));
  let current = -1;
  function show(index) {
    current = index;
    const place = places[index];
    const entries = series.map((s) => ({ name: s.name, point: nearest(s.points, place.px) }));
    line.setAttribute("d", `M${place.px} 40V${svg.viewBox.baseVal.height - 42}`);
    entries.forEach(({ point }, i) => {
      const here = point.px === place.px;
      rings[i].setAttribute("cx", point.px);
      rings[i].setAttribute("cy", point.py);
      rings[i].setAttribute("visibility", here ? "inherit" : "hidden");
    });
    marks.setAttribute("visibility", "visible");
    tip.textContent = "";
    const axis = figure.dataset.x || "";
    const shown = entries.filter(({ point }) => point.px === place.px);
    textLine(tip, `${axis} ${place.x}`.trim());
    shown.forEach(({ name, point }) => textLine(tip, `${name}: ${point.y}`));
    placeTip(tip, svg, place.px, shown[0].point.py);
    return tip.innerText.split("\n").join(", ");
  }
  function hide() {
    marks.setAttribute("visibility", "hidden");
    tip.hidden = true;
  }
  const follow = (event) => {
    const x = drawingPoint(svg, event)[0];
    show(places.indexOf(nearest(places, x)));
  };
  plot.addEventListener("pointermove", follow);
  plot.addEventListener("pointerdown", follow);
  plot.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") hide(); });
  plot.addEventListener("blur", hide);
  focusable(plot, `${svg.getAttribute("aria-label")}. Left and right arrow keys read values.`);
  plot.addEventListener("keydown", (event) => {
    const last = places.length - 1;
    const moves = {
      ArrowLeft: Math.max(0, current - 1), ArrowRight: Math.min(last, current + 1), Home: 0, End: last,
    };
    if (event.key === "Escape") return hide();
    if (!(event.key in moves)) return;
    event.preventDefault();
    live.textContent = show(moves[event.key]);
  });
}

/** Thumbnails and class names of the marks, and highlighting of a class. */
function map(figure) {
  const plot = figure.querySelector(".plot"), svg = plot.querySelector("svg");
  const tip = plot.querySelector(".tip"), live = figure.querySelector(".live");
  const columns = Number(figure.dataset.columns), rows = Number(figure.dataset.rows);
  const points = [...svg.querySelectorAll(".point")].map((mark) => {
    const [x, y, group, picture] = mark.dataset.at.split(" ").map(Number);
    const title = mark.querySelector("title"), name = title.textContent;
    title.remove();
    return { mark, x, y, group, picture, name };
  });
  if (!points.length) return;
  const ring = element(svg, "circle", { r: 8, class: "ring", visibility: "hidden" });
  const select = figure.querySelector("select");
  figure.querySelector(".controls").hidden = false;
  let current = null;
  function show(point) {
    current = point;
    ring.setAttribute("cx", point.x);
    ring.setAttribute("cy", point.y);
    ring.setAttribute("visibility", "visible");
    tip.textContent = "";
    if (point.picture >= 0) {
      const picture = tip.appendChild(document.createElement("span"));
      picture.className = "sprite";
      const column = point.picture % columns, row = Math.floor(point.picture / columns);
      const share = (at, count) => `${(100 * at) / Math.max(1, count - 1)}%`;
      picture.style.backgroundPosition = `${share(column, columns)} ${share(row, rows)}`;
    }
    textLine(tip, point.name);
    placeTip(tip, svg, point.x, point.y);
  }
  function hide() {
    ring.setAttribute("visibility", "hidden");
    tip.hidden = true;
  }
  function highlight(group) {
    select.value = group;
    svg.classList.toggle("dim", group !== "");
    points.forEach((p) => p.mark.classList.toggle("on", String(p.group) === group));
  }
  function under(event, reach) {
    const [x, y] = drawingPoint(svg, event);
    let best = null, least = reach * reach;
    for (const p of points) {
      if (select.value !== "" && String(p.group) !== select.value) continue;
      const distance = (p.x - x) ** 2 + (p.y - y) ** 2;
      if (distance < least) [best, least] = [p, distance];
    }
    return best;
  }
  function follow(event) {
    const point = under(event, event.pointerType === "touch" ? 28 : 14);
    if (point) show(point); else hide();
  }
  plot.addEventListener("pointermove", follow);
  plot.addEventListener("pointerdown", follow);
  plot.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") hide(); });
  plot.addEventListener("blur", hide);
  select.addEventListener("change", () => highlight(select.value));
  focusable(plot, `${svg.getAttribute("aria-label")}. Arrow keys move between marks, Enter highlights a class.`);
  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  plot.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { hide(); return highlight(""); }
    if (event.key === "Enter" && current) {
      return highlight(select.value === "" ? String(current.group) : "");
    }
    const direction = directions[event.key];
    if (!direction) return;
    event.preventDefault();
    show(current ? next(current, direction) : points[0]);
    live.textContent = current.name;
  });
  /** The nearest mark within a right angle around the direction. */
  function next(from, [dx, dy]) {
    let best = from, least = Infinity;
    for (const p of points) {
      const along = (p.x - from.x) * dx + (p.y - from.y) * dy;
      const across = Math.abs((p.x - from.x) * dy) + Math.abs((p.y - from.y) * dx);
      if (along <= 0 || across > along || along + across >= least) continue;
      best = p;
      least = along + across;
    }
    return best;
  }
}

document.querySelectorAll("figure.curves").forEach(curves);
document.querySelectorAll("figure.map").forEach(map);
