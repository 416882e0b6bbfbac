// Addresses of this server, as paths below that of CROSSDOCK_EXTERNAL_URL.
const { prefix, static: files, vendor } = document.documentElement.dataset;

export const PREFIX = prefix;

/** The path of a page of the console: "/jobs" becomes "/-/console/jobs". */
export const page = (path) => `${prefix}/-/console${path}`;

/** The path of our own API. */
export const own = (path) => `${prefix}/api/crossdock/v1${path}`;

/** The path of GitLab's API. */
export const gitlab = (path) => `${prefix}/api/v4${path}`;

/** The path of any other address of the server. */
export const elsewhere = (path) => `${prefix}${path}`;

/** The path of a file of others, such as "tus.min.js". */
export const vendored = (name) => `${vendor}/${name}`;

/** The path of a file of ours. */
export const asset = (name) => `${files}/${name}`;

/** The page that explains an error code. */
export const problem = (code) => elsewhere(`/problems/${encodeURIComponent(code)}`);

/** The page of a project, whose path may have any number of groups. */
export const projectPage = (path) => page(`/projects/${path}`);
