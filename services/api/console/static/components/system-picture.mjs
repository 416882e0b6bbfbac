// A picture of the system: its parts, how they are joined, and how each is now.
import { counted } from "../format.mjs";
import { html } from "../html.mjs";
import { partsOf, sum } from "../system.mjs";

const WIDTH = 150;
const HEIGHT = 52;
const LINES = ["M165,56 H235", "M385,56 H455", "M605,56 H675", "M310,82 V146 H365", "M750,82 V146 H695", "M515,146 H545"];

export function SystemPicture({ system }) {
  const parts = boxesOf(system);
  const words = parts.map((part) => `${part.name}: ${part.told}`).join("; ");
  return html`<svg class="system" viewBox="0 0 840 190" role="img" aria-label="The parts of the system. ${words}.">
    ${LINES.map((d) => html`<path key=${d} d=${d} />`)}
    ${parts.map((part) => html`<${Box} key=${part.name} ...${part} />`)}
  </svg>`;
}

function boxesOf({ readiness, queues }) {
  const well = Object.fromEntries(partsOf(readiness).map((each) => [each.name, each.isWell]));
  const slots = sum(queues, "slots");
  const answers = (name) => ({ name, told: well[name] ? "answers" : "does not answer", ok: well[name] });
  return [
    { x: 15, y: 30, name: "Clients", told: "browsers, scripts" },
    { x: 235, y: 30, ...answers("This process"), name: "API" },
    { x: 455, y: 30, name: "Queue", told: well.Queue ? `${sum(queues, "waiting")} waiting` : "does not answer", ok: well.Queue },
    { x: 675, y: 30, name: "Workers", told: slots ? `${counted(sum(queues, "running"), "job")} at work` : "none seen", ok: slots > 0 },
    { x: 365, y: 120, ...answers("Database") },
    { x: 545, y: 120, ...answers("Storage") },
  ];
}

function Box({ x, y, name, told, ok = null }) {
  const tone = ok === null ? "" : ok ? "finished" : "failed";
  return html`<g class=${tone}>
    <rect x=${x} y=${y} width=${WIDTH} height=${HEIGHT} rx="6" />
    <text class="name" x=${x + WIDTH / 2} y=${y + 22}>${name}</text>
    <text class="told" x=${x + WIDTH / 2} y=${y + 41}>${ok === null ? "" : ok ? "✓ " : "✕ "}${told}</text>
  </g>`;
}
