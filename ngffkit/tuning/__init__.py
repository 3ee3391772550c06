"""What a layout costs, what would be better and by how much; measured, predicted, advised."""
