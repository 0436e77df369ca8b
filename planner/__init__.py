"""Tomorrow's routes: which shift visits whom, in which order, and why somebody is left out.

``problem`` and ``answer`` are frozen values, ``matrix`` gives travel times, ``solver`` holds the
engines behind one Protocol, ``plan`` turns an engine's answer into times and reasons, and
``check`` verifies every plan without trusting any of them. Engines run in a process of their own.
"""
