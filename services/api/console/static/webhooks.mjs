// Words and addresses of webhooks.
import { html } from "./html.mjs";
import { own } from "./place.mjs";

/** Where the webhooks of a project are, or those that are told of all projects. */
export const addressOf = (project) => own(project === "all" ? "/webhooks" : `/projects/${encodeURIComponent(project)}/webhooks`);

const USUAL = ["*.queued", "*.started", "*.retried", "*.finished", "*.failed", "*.canceled"];

export function eventsWord(events) {
  if (events.includes("*")) return "everything";
  if (USUAL.every((name) => events.includes(name)) && events.length === USUAL.length) return "everything but progress";
  return events.join(", ");
}

export function HookState({ hook }) {
  if (!hook.enabled) return html`<span class="state failed"><span aria-hidden="true">✕</span> off</span>`;
  if (hook.failing_since) return html`<span class="state left-out"><span aria-hidden="true">!</span> failing</span>`;
  return html`<span class="state finished"><span aria-hidden="true">✓</span> on</span>`;
}

export const DELIVERY_STATES = {
  pending: { sign: "○", word: "waiting", tone: "quiet" },
  delivered: { sign: "✓", word: "taken", tone: "finished" },
  failed: { sign: "✕", word: "not taken", tone: "failed" },
};
