"""Starting and stopping: processes, the embedded stack, the app, and who shares them."""
