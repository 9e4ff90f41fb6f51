"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const front = document.getElementById("front");
  const ratios = document.getElementById("ratios");
  const axis = document.getElementById("axis");

  // The chart was drawn before the rest of the page took its room, and a window may be turned or resized.
  new ResizeObserver(() => Plotly.Plots.resize(front)).observe(front.parentElement);

  // Another vertical axis: the traces know their points by number.
  axis.addEventListener("change", () => {
    const column = data.columns[axis.selectedIndex];
    const values = data.traces.map((points) => points.map((number) => column.values[number]));
    const errors = data.traces.map((points) => points.map((number) => column.errors[number]));
    Plotly.update(
      front,
      { y: values, "error_y.array": errors },
      { "yaxis.title.text": column.label, "yaxis.autorange": true },
      data.traces.map((_, trace) => trace),
    );
  });

  // The ratios of one point, from the input at the top to the head. Without a point, the last kept one.
  let kept = data.shown;
  function showRatios(number) {
    const point = data.points[number];
    const blocks = point.ratios.map(([block]) => block);
    const values = point.ratios.map(([, ratio]) => ratio);
    Plotly.react(
      ratios,
      [{ type: "bar", orientation: "h", y: blocks, x: values, marker: { color: point.colour },
         text: values.map((value) => value.toFixed(2)), hoverinfo: "none", cliponaxis: false }],
      { height: Math.max(200, 70 + 22 * blocks.length), margin: { l: 10, r: 24, t: 10, b: 45 },
        xaxis: { range: [Math.min(0, ...values), Math.max(1, ...values)], fixedrange: true,
                 title: { text: "ratio (weight of the model before)", font: { size: 12 } } },
        yaxis: { autorange: "reversed", automargin: true, fixedrange: true, type: "category",
                 ticks: "outside", ticklen: 4, tickcolor: "rgba(0,0,0,0)" } },
      { displayModeBar: false, responsive: true },
    );
    document.getElementById("shown").textContent = point.label;
  }
  const numberOf = (event) => data.traces[event.points[0].curveNumber][event.points[0].pointNumber];
  front.on("plotly_hover", (event) => showRatios(numberOf(event)));
  front.on("plotly_unhover", () => showRatios(kept));
  front.on("plotly_click", (event) => showRatios((kept = numberOf(event))));
  showRatios(kept);

  // Sorting: by number where the cell has one, what is missing last; again for the other way round.
  const key = (row, column) => row.cells[column].dataset.value ?? "";
  function order(one, other, isText) {
    if (isText) return one.localeCompare(other, undefined, { numeric: true });
    return Number(one) - Number(other);
  }
  for (const table of document.querySelectorAll("table")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const isText = head.classList.contains("name");
      const rows = [...table.tBodies[0].rows];
      const known = rows.filter((row) => key(row, column) !== "");
      known.sort((a, b) => order(key(a, column), key(b, column), isText) * (rising ? 1 : -1));
      table.tBodies[0].append(...known, ...rows.filter((row) => key(row, column) === ""));
    }));
  }
})();
