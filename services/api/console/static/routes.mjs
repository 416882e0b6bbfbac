// The table of pages: address, module, and the entry of the navigation that it belongs to.
import { route } from "./router.mjs";

export const ROUTES = [
  route("/jobs", () => import("./pages/jobs.mjs"), { nav: "/jobs" }),
  route("/jobs/:id", () => import("./pages/job.mjs"), { nav: "/jobs" }),
];

/** The navigation: address, name, and for whom it is. */
export const NAVIGATION = [{ path: "/jobs", name: "Jobs" }];
