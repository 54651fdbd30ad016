"""Where orders come from: a script, a recording, an agent."""
