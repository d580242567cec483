"""Resource broker: the timetable of time slots, reservations, ports. Pure: times are arguments."""
