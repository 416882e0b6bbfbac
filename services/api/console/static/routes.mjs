// The table of pages: address, module, and the entry of the navigation that it belongs to.
import { route } from "./router.mjs";

export const ROUTES = [
  route("/jobs", () => import("./pages/jobs.mjs"), { nav: "/jobs" }),
  route("/jobs/:id", () => import("./pages/job.mjs"), { nav: "/jobs" }),
  route("/import", () => import("./pages/import.mjs"), { nav: "/import" }),
  route("/projects", () => import("./pages/projects.mjs"), { nav: "/projects" }),
  route("/projects/*path", () => import("./pages/project.mjs"), { nav: "/projects" }),
  route("/schedules", () => import("./pages/schedules.mjs"), { nav: "/schedules" }),
  route("/schedules/:id", () => import("./pages/schedule.mjs"), { nav: "/schedules" }),
  route("/runs/:id", () => import("./pages/run.mjs"), { nav: "/schedules" }),
  route("/webhooks", () => import("./pages/webhooks.mjs"), { nav: "/webhooks" }),
  route("/webhooks/:project/:id", () => import("./pages/webhook.mjs"), { nav: "/webhooks" }),
  route("/people", () => import("./pages/people.mjs"), { nav: "/people" }),
  route("/people/:id", () => import("./pages/user.mjs"), { nav: "/people" }),
  route("/groups/:id", () => import("./pages/group.mjs"), { nav: "/people" }),
  route("/settings", () => import("./pages/settings.mjs"), { nav: "/settings" }),
  route("/system", () => import("./pages/system.mjs"), { nav: "/system" }),
];

/** The navigation: address, name, and for whom it is. */
export const NAVIGATION = [
  { path: "/jobs", name: "Jobs" },
  { path: "/import", name: "Import" },
  { path: "/projects", name: "Projects" },
  { path: "/schedules", name: "Schedules" },
  { path: "/webhooks", name: "Webhooks" },
  { path: "/people", name: "People" },
  { path: "/settings", name: "Settings", administrators: true },
  { path: "/system", name: "System", administrators: true },
];
