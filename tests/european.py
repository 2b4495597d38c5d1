"""Some cells of a named grid, as a grid of their own."""

from lulc_xr.core.grids import named_grid
from lulc_xr.core.lattice_grid import LatticeGrid


def cells_of(name, rows, columns):
    """Cells of a named grid in ranges of rows and columns, with the same corners."""
    whole = named_grid(name)
    return LatticeGrid(
        name=f"part of {name}",
        nx=len(columns),
        ny=len(rows),
        first_x=float(whole.x[columns[0]]),
        first_y=float(whole.y[rows[0]]),
        step_x=whole.step_x,
        step_y=whole.step_y,
        pole=whole.pole,
    )
