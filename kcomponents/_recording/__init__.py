"""From live training to a `Record`: what the doctor and the search watch in a `fit`."""
