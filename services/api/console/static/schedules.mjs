// Words for schedules and their runs.
import { counted } from "./format.mjs";

/** States of runs and of their projects, as those of jobs: sign, word, tone. */
export const RUN_STATES = {
  queued: { sign: "○", word: "waiting", tone: "quiet" },
  waiting: { sign: "○", word: "waiting", tone: "quiet" },
  running: { sign: "●", word: "running", tone: "running" },
  closing: { sign: "●", word: "tidying up", tone: "running" },
  finished: { sign: "✓", word: "finished", tone: "finished" },
  done: { sign: "✓", word: "done", tone: "finished" },
  skipped: { sign: "✓", word: "unchanged", tone: "quiet" },
  partial: { sign: "!", word: "partly failed", tone: "left-out" },
  failed: { sign: "✕", word: "failed", tone: "failed" },
  canceled: { sign: "–", word: "canceled", tone: "quiet" },
};

export const isAtWork = (run) => ["queued", "running", "closing"].includes(run.state);

const CAUSES = { due: "on time", caught_up: "caught up", requested: "asked for" };
export const causeWord = (run) => CAUSES[run.cause] + (run.missed > 1 ? `, for ${counted(run.missed, "missed time")}` : "");

/** Which projects a schedule is about. */
export function aboutProjects(schedule) {
  if (schedule.all) return "all projects";
  if (schedule.group) return `the group ${schedule.group}`;
  if (schedule.projects.length > 0) return schedule.projects.length === 1 ? schedule.projects[0] : counted(schedule.projects.length, "project");
  return schedule.patterns.join(", ");
}

/** What the test of a destination has found. */
export function worksWords(place, told) {
  if (!told?.username) return `${place.name} works: an object was written and deleted.`;
  return `${place.name} works: the token is of ${told.username}, and the API is that of GitLab ${told.version}.`;
}

const KEPT = [["last", "newest"], ["daily", "daily"], ["weekly", "weekly"], ["monthly", "monthly"], ["yearly", "yearly"]];

/** What is kept of each project. */
export function aboutRetention(retention) {
  const told = KEPT.filter(([name]) => retention[name]).map(([name, word]) => `${retention[name]} ${word}`);
  return told.length ? told.join(", ") : "all of them";
}

/** How many projects of a run are in which state. */
export function aboutRun(run) {
  const told = Object.entries(run.projects).filter(([, number]) => number > 0);
  return told.map(([state, number]) => `${number} ${RUN_STATES[state]?.word ?? state}`).join(", ") || (isAtWork(run) ? "no projects yet" : "no projects");
}
