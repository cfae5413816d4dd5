/* Tables that can be sorted and filtered, and lines that can be hovered and zoomed. The page is complete without it. */
"use strict";
for (const table of document.querySelectorAll("table.numbers")) {
  const body = table.tBodies[0], rows = [...body.rows];
  const value = (row, at) => {
    const text = row.cells[at].textContent.trim().replace("\u2212", "-").replace(/^([-+<]?\s*)\./, "$10.").replace(/,/g, "");
    const number = parseFloat(text.replace(/^<\s*/, ""));
    return Number.isNaN(number) ? text : number;
  };
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    button.title = "Sort by this column";
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down < 0 ? "descending" : "ascending");
      const none = text => text === "\u2013" || text === "";
      rows.sort((a, b) => {
        const [x, y] = [value(a, at), value(b, at)];
        if (none(x) || none(y)) return none(x) - none(y);
        return down * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
      });
      body.append(...rows);
    });
  });
  if (rows.length > 8) {
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = `Filter ${rows.length} rows`;
    field.setAttribute("aria-label", field.placeholder);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/);
      table.classList.toggle("filtered", field.value.trim() !== ""); // a match is shown wherever it is
      for (const row of rows) row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
    });
    table.closest(".scroll").before(field);
  }
}
const closeOthers = event => { // the tip of a head that has the focus, beside the one that is pointed at
  const open = document.activeElement, head = event.target.closest(".term");
  if (open.matches(".term") && open !== head && (head || event.type === "click")) open.blur();
};
for (const kind of ["pointerover", "click"]) document.addEventListener(kind, closeOthers);
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
for (const place of document.querySelectorAll("[data-live]")) {
  const picture = JSON.parse(place.dataset.live), ink = dark ? "#a3aab5" : "#5b616b";
  place.closest("figure").classList.add("has-live"); // before its width is asked for
  const xs = [...new Set(picture.lines.flatMap(line => line.x))].sort((a, b) => a - b);
  const series = [{ label: picture.x }], data = [xs], bands = [];
  for (const line of picture.lines) {
    const at = new Map(line.x.map((x, i) => [x, i]));
    const along = values => xs.map(x => (at.has(x) ? values[at.get(x)] : null));
    const stroke = dark && line.colour === "#4d4d4d" ? "#c9ced6" : line.colour;
    const four = value => (value == null ? "–" : value.toPrecision(4).replace(/\.?0+$/, ""));
    series.push({ label: line.name, stroke, width: 2, dash: line.dashed ? [6, 4] : undefined, spanGaps: true,
      points: { show: line.x.length < 30 }, value: (_, shown) => four(shown) });
    data.push(along(line.mean));
    if (!line.dashed) {
      const hidden = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true, value: () => "", label: "" };
      series.push({ ...hidden, class: "band" }, { ...hidden, class: "band" });
      data.push(along(line.high), along(line.low));
      bands.push({ series: [data.length - 2, data.length - 1], fill: stroke + "33" });
    }
  }
  // Filled for the test rows, hollow for the training rows, as in the still picture of the gap.
  const markers = { width: 2, fill: (chart, i) => (chart.series[i].dash ? "transparent" : chart.series[i].stroke()) };
  const axis = label => ({ label, stroke: ink, grid: { stroke: ink + "33" }, ticks: { stroke: ink + "66" } });
  const size = () => ({ width: Math.min(place.clientWidth, 830), height: Math.min(380, 140 + place.clientWidth / 2) });
  const plot = new uPlot({ ...size(), series, bands, axes: [axis(picture.x), axis(picture.y)], legend: { live: true, markers },
    scales: { x: { time: false, distr: picture.log ? 3 : 1 } }, cursor: { drag: { x: true, y: true, uni: 20 } } }, data, place);
  const ends = () => plot.setLegend({ idx: xs.length - 1 }, false); // the last values, until somebody points at others
  plot.over.addEventListener("mouseleave", () => setTimeout(ends));
  setTimeout(ends); // once it is drawn
  addEventListener("resize", () => plot.setSize(size()));
}
