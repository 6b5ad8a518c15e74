"""Makes faults to order: asked for over `/_emulator/faults`, matched against requests and accounted for.

A fault that is being skipped lets later ones see the request. `seen` counts the requests that reached a fault, `fired`
those that met it, `left` how often it can still fire (null: for ever).
"""
