"""Verification finds what differs from the ledger: flipped bytes, lost files, unfinished runs."""

import shutil

import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.errors import StoreError


def shard_file(store, name, index):
    return store / name / "c" / "/".join(map(str, index))


def test_a_whole_map_is_fine(mapped):
    found = lx.verify(mapped)
    assert found.ok
    assert set(found.variables) == {f"land_cover{n}" for n in ("", "_entropy", "_probability")}
    assert {(v.shards, v.done, v.missing) for v in found.variables.values()} == {(12, 12, 0)}


@pytest.mark.parametrize("place", [0, 40, -1])
def test_a_flipped_byte_is_found(mapped, place):
    file = shard_file(mapped, "land_cover_entropy", (0, 1, 2))
    content = bytearray(file.read_bytes())
    content[place] ^= 0x10
    file.write_bytes(bytes(content))
    found = lx.verify(mapped)
    assert not found.ok
    assert found.variables["land_cover_entropy"].damaged == ((0, 1, 2),)
    assert found.variables["land_cover"].damaged == ()


def test_a_lost_file_is_found(mapped):
    shard_file(mapped, "land_cover", (0, 2, 3)).unlink()
    found = lx.verify(mapped)
    assert not found.ok
    assert found.variables["land_cover"].damaged == ((0, 2, 3),)


def test_a_shortened_file_is_found(mapped):
    file = shard_file(mapped, "land_cover", (0, 0, 1))
    file.write_bytes(file.read_bytes()[:50])
    assert lx.verify(mapped).variables["land_cover"].damaged == ((0, 0, 1),)


def test_a_lost_variable_is_found(mapped):
    shutil.rmtree(mapped / "land_cover")
    assert len(lx.verify(mapped).variables["land_cover"].damaged) == 12


def test_shards_of_fill_only_have_no_file_and_are_fine(store, cube):
    nothing = lx.open_cube(store)
    maps = xr.Dataset(
        {"slope": (("y", "x"), np.full((37, 50), -np.nan, np.float32))},
        coords={"y": nothing.y, "x": nothing.x},
    ).chunk({"y": 16, "x": 16})
    lx.write_variables(maps, store, progress=False)
    assert not (store / "slope" / "c").exists()
    assert lx.verify(store).ok


def test_a_cube_without_maps_has_nothing_to_verify(store):
    assert lx.verify(store).ok
    assert lx.verify(store).variables == {}


def test_no_store_is_no_success(tmp_path):
    with pytest.raises(StoreError, match="no Zarr group"):
        lx.verify(tmp_path / "none.zarr")
