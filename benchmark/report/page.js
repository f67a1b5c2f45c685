"use strict";
document.documentElement.classList.add("js");

// Sorting: the first click puts the best on top; cells without a value stay at the foot.
const value = (cell, number) => {
  if (cell.dataset.key !== undefined) return Number(cell.dataset.key);
  const text = cell.textContent.trim();
  const found = parseFloat(text.replace(/,/g, ""));
  if (number || text === "–" || text === "") return Number.isNaN(found) ? null : found;
  return text;
};
const compare = (a, b) => typeof a === "number" && typeof b === "number"
  ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
document.querySelectorAll("table.sortable").forEach(table => {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, index) => heading.querySelector("button").addEventListener("click", () => {
    const first = heading.dataset.best === "high" ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const order = heading.getAttribute("aria-sort") === first ? second : first;
    headings.forEach(other => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", order);
    const sign = order === "descending" ? -1 : 1;
    const rows = [...table.tBodies[0].rows].map(row => ({ row, key: value(row.cells[index], heading.dataset.best !== "text") }));
    const full = rows.filter(r => r.key !== null).sort((a, b) => sign * compare(a.key, b.key));
    table.tBodies[0].append(...full.concat(rows.filter(r => r.key === null)).map(r => r.row));
  }));
});

// The selector: one section of results at a time. Its id stands in the address, so that a choice can be linked to.
const sections = [...document.querySelectorAll("section.result")];
const form = document.getElementById("selector");
const parts = ["dataset", "protocol", "budget"];
const select = chosen => {
  sections.forEach(section => { section.hidden = section !== chosen; });
  parts.forEach((part, i) => {
    // what there is, given the parts before it
    const possible = sections.filter(s => parts.slice(0, i).every(p => s.dataset[p] === chosen.dataset[p]));
    const values = [...new Set(possible.map(s => s.dataset[part]))];
    form.elements[part].replaceChildren(...values.map(v => new Option(v, v, false, v === chosen.dataset[part])));
  });
};
const go = () => {
  let target = null;
  try { target = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { /* no id */ }
  if (!target) return;
  const section = target.closest("section.result");
  if (section) select(section);
  for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
  target.scrollIntoView();
};
if (sections.length) {
  form.hidden = false;
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("change", event => {
    const fixed = parts.slice(0, parts.indexOf(event.target.name) + 1);
    const chosen = sections.find(s => fixed.every(p => s.dataset[p] === form.elements[p].value));
    select(chosen);
    history.replaceState(null, "", "#" + chosen.id);
  });
  const best = document.querySelector("#overview tbody a");
  select(sections.find(s => best && "#" + s.id === best.getAttribute("href")) || sections[0]);
}
window.addEventListener("hashchange", go);
// A second click on the link of what the address already names.
document.addEventListener("click", event => {
  const link = event.target.closest("a");
  if (link && link.getAttribute("href") === location.hash) go();
});
go();
