# Libraries, each behind one door (docs/ARCHITECTURE.md).
LIBS := -luv -lprotobuf-c -lopenblas -lyaml -lssl -lcrypto -lsqlite3 -ljansson \
        -lsmartcols -lsystemd -ljpeg -lpng16 -lzimg -lzstd -lz -llzma \
        -ldl -lpthread -lm
