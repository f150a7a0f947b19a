// <tt-chart>: the server's drawing, made readable by pointing at it. Colours come from the legend.
"use strict";

const HEIGHT = 160;
const TIME = { hour: "2-digit", minute: "2-digit", timeZone: "UTC", hourCycle: "h23" };
const clocks = {
  minute: new Intl.DateTimeFormat("en-GB", TIME),
  day: new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" }),
};
const DAY_S = 86400;
const STEPS = [1, 2, 7, 14, 28].map((days) => days * DAY_S);
const WHOLE_DAYS = { range: (_, from, to) => [from - DAY_S / 2, to + DAY_S / 2] };

// each series reaches from the ground, over those after it, so the first is the highest
function stacked([times, ...lines]) {
  const below = times.map(() => 0);
  const drawn = lines.toReversed().map((line) => line.map((value, i) => (below[i] += Math.max(0, value ?? 0))));
  return [times, ...drawn.toReversed()];
}

// cents from a dollar up, three digits below, never an exponent
function exact(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 1 || size === 0 ? 2 : Math.min(9, 2 - Math.floor(Math.log10(size))));
}

// a line has no width where its neighbours are missing, so such a value gets a point
function alone(plot, index) {
  const values = plot.data[index];
  return values.flatMap((value, i) => (value != null && values[i - 1] == null && values[i + 1] == null ? [i] : []));
}

// uPlot measures no text: a digit of 12px takes at most 7.5 pixels
function room(plot, labels) {
  return Math.max(44, 14 + 7.5 * Math.max(0, ...(labels ?? []).map((label) => String(label).length)));
}

class Chart extends HTMLElement {
  static observedAttributes = ["data-series"];
  #plot = null;
  #scheme = matchMedia("(prefers-color-scheme: dark)");
  #redraw = () => this.#draw();
  #resize = new ResizeObserver(() => this.#plot?.setSize(this.#size()));

  connectedCallback() {
    this.#draw();
    this.#scheme.addEventListener("change", this.#redraw);
    this.#resize.observe(this);
  }

  disconnectedCallback() {
    this.#scheme.removeEventListener("change", this.#redraw);
    this.#resize.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  attributeChangedCallback() {
    this.#plot?.setData(this.#series());
  }

  #values() {
    return JSON.parse(this.dataset.series);
  }

  #series() {
    return this.dataset.kind === "stack" ? stacked(this.#values()) : this.#values();
  }

  get #clock() {
    return clocks[this.dataset.step];
  }

  #size() {
    return { width: this.clientWidth, height: HEIGHT };
  }

  #draw() {
    this.#plot?.destroy();
    this.replaceChildren();
    const keys = [...this.closest("section").querySelectorAll(".key")];
    const stack = this.dataset.kind === "stack";
    const bars = stack || this.dataset.kind === "bars";
    const styles = getComputedStyle(this);
    const axis = { stroke: styles.color, font: `12px ${styles.fontFamily}`, ticks: { show: false } };
    const line = getComputedStyle(this.closest(".panel")).borderTopColor;
    const unit = this.dataset.unit;
    const series = keys.map((key, index) => {
      const color = getComputedStyle(key).color;
      const soft = bars && !stack && index === 0 ? `color-mix(in oklab, ${color} 55%, transparent)` : color;
      return bars
        ? { fill: soft, width: 0, paths: uPlot.paths.bars({ size: [0.75, 24] }), points: { show: false } }
        : { stroke: color, width: 1.5, points: { size: 4, fill: color, filter: alone } };
    });
    const { low, top, band } = this.dataset;
    const reach = low ? [Number(low), Number(top)] : null;
    const between = band?.split(",").map((place) => Number(place) + 1);
    this.#plot = new uPlot(
      {
        ...this.#size(),
        tzDate: (second) => uPlot.tzDate(new Date(second * 1000), "Etc/UTC"),
        legend: { show: false },
        cursor: { y: false, drag: { setScale: false, x: false }, points: { show: !bars, size: 6 } },
        scales: { x: stack ? WHOLE_DAYS : {}, y: { range: (_, __, most) => reach ?? [0, most > 0 ? most * 1.1 : 1] } },
        axes: [
          { ...axis, grid: { show: false }, size: 24, ...(stack ? { incrs: STEPS } : {}), values: (_, times) => times.map((t) => this.#clock.format(t * 1000)) },
          { ...axis, grid: { stroke: line, width: 1 }, size: room, values: (_, ticks) => ticks.map((t) => (unit ? `${+t.toPrecision(3)} ${unit}` : t)) },
        ],
        series: [{}, ...series],
        bands: between ? [{ series: between, fill: `color-mix(in oklab, ${getComputedStyle(keys[0]).color} 12%, transparent)` }] : [],
        hooks: { setCursor: [(plot) => this.#say(keys, plot)] },
      },
      this.#series(),
      this,
    );
  }

  #say(keys, plot) {
    const at = plot.cursor.idx;
    const [times, ...lines] = this.#values();
    keys.forEach((key, index) => {
      const when = index ? "" : `at ${this.#clock.format(times[at ?? 0] * 1000)}`;
      key.querySelector("output").textContent = at == null ? "" : `${this.#shown(lines[index][at])} ${when}`;
    });
  }

  #shown(value) {
    const { unit, kind } = this.dataset;
    if (value == null) return "";
    return unit ? `${kind === "stack" ? exact(value) : value.toFixed(2)} ${unit}` : value;
  }
}

customElements.define("tt-chart", Chart);
