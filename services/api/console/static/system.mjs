// What the document of the system says, in words.
import { kindWord, sentence } from "./words.mjs";

const PARTS = { master_check: "This process", db_check: "Database", queue_check: "Queue", storage_check: "Storage" };

/** The parts that were asked: [{name, isWell, message}]. */
export function partsOf(readiness) {
  const known = Object.entries(PARTS).filter(([key]) => readiness[key]);
  return known.map(([key, name]) => {
    const [{ status, message = null }] = readiness[key];
    return { name, isWell: status === "ok", message };
  });
}

/** The sum of a number of all queues. */
export const sum = (queues, name) => queues.reduce((all, each) => all + each[name], 0);

/** Since when the job waits that waits longest; null where none does. */
export const oldest = (queues) => queues.map((each) => each.oldest_waiting_since).filter(Boolean).sort()[0] ?? null;

/** The processes with workers: what each does, and the jobs that it is at. */
export function processesOf(workers) {
  const found = new Map();
  for (const worker of workers) {
    const process = found.get(worker.name) ?? { ...worker, kinds: [], running: [] };
    process.kinds.push(worker.kind);
    process.running.push(...worker.running);
    if (worker.seen_at > process.seen_at) process.seen_at = worker.seen_at;
    process.silent &&= worker.silent;
    found.set(worker.name, process);
  }
  return [...found.values()];
}

const TASKS = {
  "Requeue.requeue_lost": "Start jobs again whose worker was lost",
  "Requeue.publish": "Put jobs into the queue that are due",
  "QueueDepth.read": "Count waiting jobs",
  "BackupAges.read": "Look how old backups are",
  "AnswerExpiry.remove_answers": "Remove answers kept for repeated requests",
  "Expiry.remove_counts": "Remove counts of past minutes",
  "EventExpiry.remove_commands": "Remove commands that came by queue",
  "EventExpiry.remove_last_words": "Remove what was told of deleted projects' jobs",
  "MaintenanceRecord.write_runs": "Write down these tasks",
};

/** What is stored, by the kinds of objects. */
export const STORED = { upload: "Uploaded archives", pack: "Contents of projects", blob: "Large files", archive: "Exports" };

/** What a task does. Most are named well by their code, such as "Collector.collect_objects". */
export const taskWord = (task) => TASKS[task] ?? sentence(task.split(".").at(-1));

const KINDS = {
  small_import: "small import", remote_import: "import from a URL", git_import: "import of a repository",
  github_import: "import from GitHub", peer_import: "import from a GitLab", peer_export: "export to a GitLab",
};

/** What workers do has more kinds than people are told of jobs. */
export const slotWord = (kind) => KINDS[kind] ?? kindWord(kind);
