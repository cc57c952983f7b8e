"""Messages to a broker, at least once each, with a bounded spool for the time that it is away."""
