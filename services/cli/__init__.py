"""The command line: a client of GitLab's project import/export API, and the door to every service."""
