"""What people watch while a command runs: a page with live video, a window; and the HTTP server behind every page."""
