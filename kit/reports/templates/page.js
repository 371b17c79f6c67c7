"use strict";
// Sorting, filtering, and whose losses are shown; without this script the page reads as well, only stands still.

for (const controls of document.querySelectorAll(".controls")) controls.hidden = false;

function valueOf(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.value === undefined) return cell.textContent.trim().toLowerCase();
  return cell.dataset.value === "" ? null : Number(cell.dataset.value);
}

function compare(first, second) {
  if (typeof first === "string") return first < second ? -1 : first > second ? 1 : 0;
  return first - second;
}

function sort(table, column, heading) {
  const descending = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
  rows.sort(([first], [second]) => {
    // What has no value comes last, whichever way it is sorted.
    if (first === null || second === null) return (first === null) - (second === null);
    return descending ? compare(second, first) : compare(first, second);
  });
  body.append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => sort(table, column, heading));
  });
}

const filter = document.getElementById("filter");
filter.addEventListener("input", () => {
  const wanted = filter.value.trim().toLowerCase();
  for (const element of document.querySelectorAll("[data-method]")) {
    element.hidden = !element.dataset.method.toLowerCase().includes(wanted);
  }
  const rows = [...document.querySelectorAll("#table table")[0].tBodies[0].rows];
  const shown = rows.filter((row) => !row.hidden).length;
  document.getElementById("count").textContent = wanted ? `${shown} of ${rows.length} methods` : "";
});

const after = document.getElementById("after");
if (after) {
  after.addEventListener("change", () => {
    for (const cell of document.querySelectorAll(".after")) {
      cell.textContent = cell.dataset.losses.split(" ")[Number(after.value)];
    }
  });
}
