DROP TABLE selected_snapshots;
