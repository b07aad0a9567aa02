// Sort the table of points by a click on a heading, and search it by typing.
"use strict";
const table = document.querySelector("#points table");
const body = table.tBodies[0];
const headings = [...table.tHead.rows[0].cells];
const search = document.querySelector("#search");
const shown = document.querySelector("#shown");

function compare(a, b) {
  const order = Number(a) - Number(b);
  return Number.isNaN(order) ? a.localeCompare(b) : order;
}

headings.forEach((heading, column) => {
  heading.querySelector("button").addEventListener("click", () => {
    const down = heading.ariaSort === "ascending";
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.ariaSort = down ? "descending" : "ascending";
    const text = (row) => row.cells[column].textContent;
    const rows = [...body.rows];
    const full = rows.filter((row) => text(row) !== "");
    full.sort((a, b) => (down ? compare(text(b), text(a)) : compare(text(a), text(b))));
    body.append(...full, ...rows.filter((row) => text(row) === "")); // nothing comes last, either way
  });
});

search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of body.rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    count += !row.hidden;
  }
  shown.value = `${count} of ${body.rows.length} points`;
});
