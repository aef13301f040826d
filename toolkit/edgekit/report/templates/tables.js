"use strict";
// Every table in a .scroll frame: sorting by its headings, a filter where it asks for one, its first rows (data-first) before a
// button for more, its numbers as CSV.
{
  const FIRST = 20;
  const STEP = 100;
  const NUMBER = /^[-+\u2212]?[\d,]*\.?\d+(e[-+]?\d+)?( ?(%|pp|ms|s|KB|MB|dB|bytes))?$/i;
  const MISSING = ["", "\u2013", "none", "not measured", "not reported", "not known", "not compared"];
  const clean = (text) => text.replace(/\s+/g, " ").trim();
  // The text of a cell on one line: its line breaks are spaces.
  function textOf(cell) {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll("br").forEach((line) => line.replaceWith(" "));
    return clean(copy.textContent);
  }
  const make = (name, values = {}, ...inside) => {
    const element = Object.assign(document.createElement(name), values);
    element.append(...inside);
    return element;
  };
  const plain = (value) => value.toLocaleString("en");

  // A cell's sort key and CSV value: its data-value, else its text, as a number if it is one.
  function keyOf(cell) {
    if (!cell) return null;
    const text = cell.dataset.value ?? textOf(cell);
    if (MISSING.includes(text)) return null;
    if (cell.dataset.value !== undefined) return text !== "" && isFinite(text) ? Number(text) : text;
    return NUMBER.test(text) ? parseFloat(text.replace(/,/g, "").replace("\u2212", "-")) : text;
  }

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a.localeCompare(b, undefined, { numeric: true });
  }

  // The heading of each column; there may be several rows of them; data-bar: a drawing without numbers.
  function headings(table) {
    const lines = [...table.tHead.rows];
    const grid = lines.map(() => []);
    lines.forEach((line, y) => {
      let x = 0;
      for (const cell of line.cells) {
        while (grid[y][x]) x += 1;
        for (let i = 0; i < cell.colSpan; i += 1)
          for (let j = 0; j < cell.rowSpan && y + j < lines.length; j += 1) grid[y + j][x + i] = cell;
        x += cell.colSpan;
      }
    });
    return grid[lines.length - 1].map((head, x) => {
      const above = [...new Set(grid.map((line) => line[x]))];
      return { head, k: x, name: above.map((cell) => textOf(cell)).join(" ") };
    });
  }

  function listed(table) {
    const { columns, names, rows } = JSON.parse(table.closest(".rows-of").querySelector("script").textContent);
    const key = (value, kind) => (kind === "name" && value !== null ? names[value] : value);
    const told = (value, kind) =>
      value === null ? "\u2013" : typeof kind === "number" ? value.toFixed(kind).replace(/^-?\d+/, (whole) =>
        (whole === "-0" ? whole : plain(Number(whole)))) : value;
    return {
      columns,
      items: rows.map((row) => ({ keys: row.map((value, k) => key(value, columns[k].kind)) })),
      element: (item) => make("tr", {}, ...item.keys.map((value, k) =>
        make("td", { textContent: told(value, columns[k].kind), className: typeof columns[k].kind === "number" ? "" : "text" }))),
    };
  }

  // CSV has the full number if a cell shows only a number, else its text.
  function saidBy(cell) {
    const text = cell ? textOf(cell) : "";
    return NUMBER.test(text) || MISSING.includes(text) ? keyOf(cell) : text;
  }

  function standing(table, width) {
    const across = Array.from({ length: width }, (_, k) => k);
    const items = [...table.tBodies].flatMap((body) => [...body.rows]).map((row) => ({
      row,
      keys: across.map((k) => keyOf(row.cells[k])),
      said: () => across.map((k) => saidBy(row.cells[k])),
    }));
    return { columns: null, items, element: (item) => item.row };
  }

  function csv(heads, items) {
    const quoted = (value) => {
      if (value === null) return "";
      if (typeof value === "number") return String(value);
      // A spreadsheet would treat such text as a formula.
      const text = /^[=+\-@\t]/.test(value) ? `'${value}` : value;
      return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
    };
    const told = heads.filter(({ head }) => !("bar" in head.dataset));
    const lines = items.map(({ keys, said }) => (said ? said() : keys)).map((line) => told.map(({ k }) => line[k]));
    return [told.map(({ name }) => name), ...lines].map((line) => line.map(quoted).join(",")).join("\n") + "\n";
  }

  function enhance(table) {
    const frame = table.closest(".scroll");
    const label = frame.getAttribute("aria-label");
    const heads = headings(table);
    const body = table.tBodies[0];
    const { columns, items, element } = "rows" in table.dataset ? listed(table) : standing(table, heads.length);
    const first = columns ? FIRST : Number(table.dataset.first);
    const inputs = [];
    let order = items;
    let view = items;
    let shown = 0;
    const more = make("button", { type: "button", className: "button", hidden: true });
    const status = make("p", { className: "soft" });
    status.setAttribute("role", "status");

    function show() {
      const next = first ? view.slice(shown, shown + (shown ? STEP : first)) : view.slice(shown);
      body.append(...next.map(element));
      shown += next.length;
      more.hidden = shown >= view.length;
      more.textContent = `Show more (${plain(view.length - shown)} left)`;
    }

    function refresh() {
      view = order.filter((item) => inputs.every(({ input, holds }) => input.value === "" || holds(item, input.value)));
      body.replaceChildren();
      shown = 0;
      status.textContent = view.length === items.length ? `${plain(items.length)} rows`
        : `${plain(view.length)} of ${plain(items.length)} rows`;
      show();
      if (told.open) tell();
    }

    function sortBy(column, direction) {
      order = [...items].sort((a, b) => {
        const [x, y] = [a.keys[column], b.keys[column]];
        // Missing values come last in both directions; equal rows keep their order.
        return x === null || y === null ? (x === null) - (y === null) : direction * compare(x, y);
      });
      heads.forEach(({ head }, k) => head.hasAttribute("aria-sort") &&
        head.setAttribute("aria-sort", k !== column ? "none" : direction > 0 ? "ascending" : "descending"));
      refresh();
    }

    function addInput(name, input, holds) {
      input.addEventListener(input.tagName === "SELECT" ? "change" : "input", refresh);
      inputs.push({ input, holds });
      return make("label", {}, name, input);
    }

    const area = make("textarea", { readOnly: true, spellcheck: false });
    area.setAttribute("aria-label", `CSV of ${label}`);
    const link = make("a", { textContent: "Save as a file", download: `${label.replace(/[^\w]+/g, "-").toLowerCase()}.csv` });
    const told = make("details", { className: "csv" }, make("summary", { textContent: "As CSV" }), area, link);
    function tell() {
      area.value = csv(heads, view);
      link.href = `data:text/csv;charset=utf-8,${encodeURIComponent(area.value)}`;
    }
    told.addEventListener("toggle", () => told.open && tell());

    if (items.length > 1)
      heads.forEach(({ head, name }, k) => {
        if (!name || "bar" in head.dataset) return;
        const button = make("button", { type: "button" });
        button.append(...head.childNodes);
        head.append(button);
        head.setAttribute("aria-sort", "none");
        button.addEventListener("click", () => sortBy(k, head.getAttribute("aria-sort") === "ascending" ? -1 : 1));
      });

    const wanted = columns ? "Any text" : table.dataset.filter;
    if (wanted && items.length > 10) {
      const wordsOf = (item) => (item.words ??=
        (item.row ? item.row.textContent : item.keys.filter((key) => typeof key === "string").join("\n")).toLowerCase());
      const tools = make("div", { className: "tools" }, addInput(`${wanted} contains`,
        make("input", { type: "search", autocomplete: "off", spellcheck: false }),
        (item, value) => wordsOf(item).includes(value.trim().toLowerCase())));
      (columns || []).forEach(({ name, choices }, k) => {
        if (!choices) return;
        const found = [...new Set(items.map(({ keys }) => keys[k]))].filter((key) => key !== null).sort(compare);
        const select = make("select", {}, new Option("all", ""), ...found.map((key) => new Option(key)));
        tools.append(addInput(name, select, ({ keys }, value) => String(keys[k]) === value));
      });
      tools.append(status);
      frame.before(tools);
    }
    frame.after(more, told);
    more.addEventListener("click", show);
    if (first) refresh();
  }

  // The content of a closed <details> is filled when it is opened.
  document.querySelectorAll(".scroll > table:not([data-own])").forEach((table) => {
    const closed = table.closest("details:not([open])");
    if (closed) closed.addEventListener("toggle", () => enhance(table), { once: true });
    else enhance(table);
  });
}
