"""The chat in the browser: questions on their way, the route they take, and the sources their answers rest on."""
