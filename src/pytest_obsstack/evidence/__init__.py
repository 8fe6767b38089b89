"""What a run tells of itself: header, summary, needs that were not met, claims that were proven."""
