"""pyhf's HEPData session with recontour, from the DOI to the contour. See notebook.md."""

import recontour

folder = recontour.download(
    "10.17182/hepdata.90607.v3/r3",
    "1Lbb",
    size=2616683,
    sha256="7b223b5da4aae2e049593fe5c7b1563f0f54974d50c375a1a37b82c112a29551",
)
search = recontour.open(folder / "BkgOnly.json", folder / "patchset.json")
print(search)

signal = search["C1N2_Wh_hbb_900_250"]
print(signal.name == search[900, 250].name, signal.values)

print("before:", search.samples["SRHMEM_mct2"])
print("after: ", signal.samples["SRHMEM_mct2"])

result = signal.hypotest(mu=1.0)
print(f"observed CLs {result.CLs_obs:.5f}, expected", [f"{cls:.5f}" for cls in result.CLs_exp])

limit = signal.upper_limit()
print(f"observed limit {limit.observed:.4f}, expected", [f"{mu:.4f}" for mu in limit.expected])

scan = search.scan()
print(sum(row["CLs_obs"] < 0.05 for row in scan.rows), "of", len(scan.rows), "signals excluded")

contours = scan.contours("m1", "m2", boundary="m1 >= m2 + 125")
reach = max(m1 for line in contours["curves"]["observed"] for m1, m2 in line)
print(f"observed contour up to m1 = {reach:.0f} GeV")

scan.draw("m1", "m2", boundary="m1 >= m2 + 125", title="1Lbb", out=["1Lbb.png"])
