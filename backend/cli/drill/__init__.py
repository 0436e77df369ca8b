"""The drill: simulated handsets on bad roads, a meddling control room, and the proof afterwards.

`faults`, `wire`, `road`: what the network does. `fate`, `clock`, `phone`: what befalls a phone.
`rider`, `door`, `office`: who races whom. `muster`, `day`: a day from beginning to end. `witness`,
`examine`: what the phones can prove against the server. `screen`, `report`: what people see.
"""
