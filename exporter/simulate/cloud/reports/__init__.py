"""The Reporting API of the simulated cloud.

- `reporting`: the answer to a request, in each of its forms.
- `request`: a request, parsed.
- `readings`: the readings of the building, as far as they were computed.
- `polled`: the answers as deliveries, for the oracle.
"""
