"""From a batch to tables of cells. Pure: nothing here calls anybody."""
