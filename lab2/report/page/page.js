// What the page does beyond being read: sort, filter, choose an axis, compare any two rows. All of it is in the page.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);
  document.documentElement.classList.add("scripted");
  for (const form of all("form")) form.addEventListener("submit", (event) => event.preventDefault());

  function make(name, content = "", attributes = {}) {
    const made = document.createElement(name);
    made.append(content);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  // The table: a click on a title sorts, a second one turns the order round. What has no value stays last.
  function sorting() {
    const body = one("#rows tbody");
    all("#rows thead th").forEach((title, column) => {
      const button = make("button", title.textContent, { type: "button" });
      title.replaceChildren(button);
      button.addEventListener("click", () => {
        const before = title.getAttribute("aria-sort");
        const turn = before ? before === "ascending" : one(`tr > :nth-child(${column + 1})[data-value]`, body) !== null;
        all("#rows thead th").forEach((other) => other.removeAttribute("aria-sort"));
        title.setAttribute("aria-sort", turn ? "descending" : "ascending");
        const keyed = all("tr", body).map((row, place) => ({ row, place, cell: row.children[column] }));
        const numbers = keyed.some(({ cell }) => cell.dataset.value !== undefined);
        const key = (cell) => (numbers ? Number(cell.dataset.value ?? NaN) : cell.textContent.trim());
        keyed.sort((a, b) => {
          const [x, y] = [key(a.cell), key(b.cell)];
          if (numbers && (Number.isNaN(x) || Number.isNaN(y))) return Number.isNaN(x) - Number.isNaN(y) || a.place - b.place;
          const order = numbers ? x - y : x.localeCompare(y, "en", { numeric: true });
          return (turn ? -order : order) || a.place - b.place;
        });
        body.append(...keyed.map(({ row }) => row));
      });
    });
  }

  function filtering() {
    const find = one("#find"), status = one("#status"), rows = all("#rows tbody tr");
    const apply = () => {
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word)) || (status.value !== "" && row.dataset.status !== status.value);
        shown += !row.hidden;
      }
      one("#found").textContent = `${shown} of ${rows.length} rows`;
    };
    find.addEventListener("input", apply);
    status.addEventListener("change", apply);
    apply();
  }

  // Accuracy against cost: one chart at a time.
  function costs() {
    const axis = one("#cost-axis"), log = one("#cost-log"), figures = all("#cost-charts figure");
    if (!axis) return;
    one("#cost-charts").classList.add("one");
    const apply = () => {
      const of = figures.filter((figure) => figure.dataset.cost === axis.value);
      const wanted = of.find((figure) => figure.dataset.log === String(log.checked)) ?? of[0];
      figures.forEach((figure) => { figure.hidden = figure !== wanted; });
    };
    axis.addEventListener("change", apply);
    log.addEventListener("change", apply);
    apply();
  }

  // Two confusion matrices beside each other, then the first minus the second.
  function confusions() {
    const first = one("#confusion-first"), second = one("#confusion-second"), place = one("#confusion-shown");
    if (!first) return;
    const tables = new Map(all("#confusions table").map((table) => [table.dataset.job, table]));
    const number = (cell) => Number(cell?.dataset.value ?? (cell?.textContent ?? "").replaceAll(",", ""));
    const framed = (words, what, table) => {
      const figure = make("figure"), group = make("div", table, { class: "scroll", tabindex: 0, role: "group", "aria-label": what });
      figure.append(make("figcaption", words), group);
      return figure;
    };
    const apart = (a, b) => {
      const wide = (table) => all("thead th", table).length;
      const shown = (wide(b) > wide(a) ? b : a).cloneNode(true); // one of them may have answers that the other has not
      delete shown.dataset.job;
      const cells = all("tbody tr", shown).flatMap((row, i) => all("td", row).map((_, j) => [i, j]));
      const [of, other] = [a, b].map((table) => all("tbody tr", table).map((row) => all("td", row)));
      const values = cells.map(([i, j]) => number(of[i]?.[j]) - number(other[i]?.[j]));
      const most = Math.max(1e-9, ...values.map(Math.abs));
      all("tbody td", shown).forEach((cell, place_) => {
        const value = values[place_], shade = Math.ceil((3 * Math.abs(value)) / most);
        const more = cells[place_][0] === cells[place_][1] ? value > 0 : value < 0; // good news for the first
        const text = Math.abs(value) < 0.05 ? "" : Math.abs(value).toFixed(Number.isInteger(value) ? 0 : 1);
        cell.className = text === "" ? "number" : `number ${more ? `g${shade}` : `h${3 * shade}`}`;
        cell.textContent = text && (value < 0 ? "\u2212" : "+") + text;
      });
      return shown;
    };
    const apply = () => {
      const names = [...new Set([first.value, second.value])].filter((name) => tables.has(name));
      const shown = names.map((name) => framed(name, `Confusion matrix of ${name}`, tables.get(name).cloneNode(true)));
      if (names.length === 2) {
        const words = names.join(" \u2212 ");
        const difference = framed(words, `Difference of the confusion matrices: ${words}`, apart(...names.map((name) => tables.get(name))));
        difference.append(make("p", `Blue is better for ${names[0]}, red is worse.`, { class: "note" }));
        shown.push(difference);
      }
      place.replaceChildren(...shown);
    };
    first.addEventListener("change", apply);
    second.addEventListener("change", apply);
    apply();
  }

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  // Any two rows: the difference, its interval, and the pictures that tell them apart.
  function pairs(data) {
    const chooser = one("#chooser");
    if (!data || !chooser) return;
    const packed = bytes(data.labels);
    const labels = data.wide ? new Uint16Array(packed.buffer) : packed;
    const groups = data.groups === null ? null : new Uint32Array(bytes(data.groups).buffer);
    const rights = data.rows.map(() => []); // unpacked when they are first needed
    const right = (row, seed) => {
      if (!rights[row][seed]) {
        const bits = bytes(data.rows[row].right[seed]), unpacked = new Uint8Array(data.images);
        for (let i = 0; i < data.images; i++) unpacked[i] = (bits[i >> 3] >> (i & 7)) & 1;
        rights[row][seed] = unpacked;
      }
      return rights[row][seed];
    };
    // The share of the chosen seeds that are right, by image.
    const shares = ({ number, seeds }) => {
      const sums = new Float64Array(data.images);
      for (const seed of seeds) right(number, seed).forEach((one, i) => { sums[i] += one; });
      return sums.map((sum) => sum / seeds.length);
    };
    const sides = all("fieldset", chooser).map((field, side) => {
      const select = one("select", field), boxes = one(".boxes", field);
      select.append(...data.rows.map((row, number) => make("option", row.job, { value: number })));
      select.value = String(Math.min(side, data.rows.length - 1));
      const seeds = () => {
        const row = data.rows[select.value];
        boxes.replaceChildren(...row.seeds.map((seed, number) => checkbox(`seed ${seed}`, number)));
      };
      select.addEventListener("change", () => { seeds(); apply(); });
      boxes.addEventListener("change", () => apply());
      seeds();
      return { select, boxes, seeds };
    });
    const classes = one("#some-classes"), chosenClasses = one(".boxes", classes);
    const there = [...new Set(labels)].sort((a, b) => a - b);
    chosenClasses.append(...there.map((label) => checkbox(data.classes[label], label)));
    chosenClasses.addEventListener("change", () => apply());
    for (const button of all("button", classes)) {
      button.addEventListener("click", () => {
        all("input", chosenClasses).forEach((box) => { box.checked = button.value === "all"; });
        apply();
      });
    }

    function checkbox(name, value) {
      const label = make("label"), box = make("input", "", { type: "checkbox", value });
      box.checked = true;
      label.append(box, " ", make("bdi", name));
      return label;
    }
    const checked = (boxes) => all("input", boxes).filter((box) => box.checked).map((box) => Number(box.value));

    function apply() {
      const wanted = new Set(checked(chosenClasses));
      one("summary span", classes).textContent = wanted.size === there.length ? "all" : `${wanted.size} of ${there.length}`;
      const places = [];
      labels.forEach((label, i) => { if (wanted.has(label)) places.push(i); });
      const [a, b] = sides.map(({ select, boxes }) => ({ number: Number(select.value), seeds: checked(boxes) }));
      for (const cell of all("#matrix button")) {
        cell.setAttribute("aria-pressed", cell.dataset.first === String(a.number) && cell.dataset.second === String(b.number));
      }
      const result = one("#difference");
      let codes = null, cases = places.length;
      if (groups) {
        const numbers = new Map();
        codes = places.map((i) => numbers.get(groups[i]) ?? (numbers.set(groups[i], numbers.size), numbers.size - 1));
        cases = numbers.size;
      }
      if (a.number === b.number || !a.seeds.length || !b.seeds.length || cases < 2) {
        result.textContent = "Choose two different rows, a seed or more of each, and classes with two images or more.";
        show([], a, b);
        return;
      }
      const samples = [a, b].map(({ number, seeds }) => {
        const rows = seeds.map((seed) => { const row = right(number, seed); return places.map((i) => row[i]); });
        return statistics.sample(rows, codes, cases, data.rows[number].fixed);
      });
      const found = statistics.compare(samples[0], samples[1], groups !== null);
      const names = [a, b].map(({ number }) => data.rows[number].job);
      const p = found.p < 0.0001 ? "p < 0.0001" : `p = ${found.p.toPrecision(2)}`;
      const lone = [0, 1].filter((side) => samples[side].seeds === 1 && !samples[side].fixed).map((side) => names[side]);
      result.replaceChildren(
        `${names[0]} \u2212 ${names[1]}: `, make("strong", statistics.signed(found.difference)),
        ` points, 95 % interval [${statistics.signed(found.low)}, ${statistics.signed(found.high)}], ${p}. `,
        make("small", `On ${places.length.toLocaleString("en")} test images, by the ${found.method}.` +
          (lone.length ? ` How much another seed of ${lone.join(" and ")} would change it is unknown.` : "")),
      );
      show(wanted, a, b);
    }

    // The pictures that the first is right about more often than the second.
    function show(wanted, a, b) {
      const { places, columns, side, said } = data.pictures, about = one("#about-pictures");
      const target = one("#pictures");
      target.replaceChildren();
      about.textContent = "";
      if (!wanted.size) return;
      const [ofA, ofB] = [a, b].map(shares);
      let all_ = 0;
      labels.forEach((label, i) => { all_ += ofA[i] > ofB[i] && wanted.has(label); });
      const names = [a, b].map(({ number }) => data.rows[number].job);
      const shown = places.map((i, tile) => ({ i, tile, gap: ofA[i] - ofB[i] }))
        .filter(({ i, gap }) => wanted.has(labels[i]) && gap > 0).sort((x, y) => y.gap - x.gap || x.tile - y.tile).slice(0, 24);
      about.textContent = `${names[0]} is right more often than ${names[1]} about ${all_.toLocaleString("en")} images` +
        (all_ && places.length ? `; ${shown.length} of them as pictures:` : ".");
      for (const { i, tile } of shown) {
        const figure = make("figure"), truth = data.classes[labels[i]];
        const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
        use.setAttribute("href", "#sprite");
        svg.setAttribute("viewBox", `${(tile % columns) * side} ${Math.floor(tile / columns) * side} ${side} ${side}`);
        svg.setAttribute("class", "tile");
        svg.setAttribute("role", "img");
        svg.setAttribute("aria-label", `test image ${i}, ${truth}`);
        svg.append(use);
        const caption = make("figcaption", "is ");
        caption.append(make("bdi", truth));
        [a, b].forEach(({ number, seeds }, side) => {
          const counts = new Map(); // of the chosen seeds
          for (const seed of seeds) {
            const answer = said[names[side]][seed][tile];
            if (answer !== -2) counts.set(answer, (counts.get(answer) ?? 0) + 1);
          }
          const most = Math.max(...counts.values());
          const texts = [...counts].filter(([, count]) => count === most).sort(([x], [y]) => x - y)
            .map(([answer]) => data.classes[answer] ?? "nothing found");
          if (texts.length) caption.append(make("br"), `${names[side]}: `);
          texts.forEach((text, place) => caption.append(place ? " or " : "", make("bdi", text)));
        });
        figure.append(svg, caption);
        target.append(figure);
      }
    }

    all("#matrix tbody tr").forEach((row, first) => all("td", row).forEach((cell, second) => {
      if (first === second) return;
      const button = make("button", "", { type: "button", "data-first": first, "data-second": second });
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        sides.forEach(({ select, seeds }, side) => {
          select.value = String(side ? second : first);
          seeds();
        });
        apply();
        chooser.scrollIntoView({ block: "nearest" });
      });
    }));
    apply();
  }

  sorting();
  filtering();
  costs();
  confusions();
  pairs(JSON.parse(one("#data").textContent));
})();
