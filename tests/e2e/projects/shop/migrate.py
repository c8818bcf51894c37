"""Makes the tables."""
import sqlite3

with sqlite3.connect("shop.db") as database:
    database.execute("create table if not exists orders (id integer primary key, what text, is_done integer default 0)")
print("migrated")
