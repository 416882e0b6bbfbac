"""The REST service: GitLab's project import and export API."""
