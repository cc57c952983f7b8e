"""What a monitoring system reads of a running command: counts and times, as a page in the text format of Prometheus."""
