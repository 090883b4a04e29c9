/*
 * The simulated network: which place reaches which, and how fast.
 */
#include "tests/lib/io_sim_inner.h"

#include "base/mem.h"

static struct sim_place *place_of(const struct io *io)
{
    return sim_node_of(io)->place;
}

static struct sim_cut *find_cut(const struct sim *sim,
                                const struct sim_place *from,
                                const struct sim_place *to)
{
    list_each(&sim->cuts, it, after)
    {
        struct sim_cut *cut = list_entry(it, struct sim_cut, link);

        if (cut->from == from && cut->to == to) {
            return cut;
        }
    }
    return NULL;
}

bool sim_is_cut(const struct sim *sim, const struct sim_place *from,
                const struct sim_place *to)
{
    if (from->unplugged || to->unplugged) {
        return true;
    }
    return from != to &&
           (from->isolated || to->isolated || find_cut(sim, from, to) != NULL);
}

static void cut(struct sim *sim, struct sim_place *from, struct sim_place *to)
{
    struct sim_cut *one;

    if (find_cut(sim, from, to) != NULL) {
        return;
    }
    one = sim_alloc(sizeof(*one));
    one->from = from;
    one->to = to;
    list_init(&one->link);
    list_push(&sim->cuts, &one->link);
}

static void mend(struct sim *sim, struct sim_place *from, struct sim_place *to)
{
    struct sim_cut *one = find_cut(sim, from, to);

    if (one != NULL) {
        list_unlink(&one->link);
        mem_free(one);
    }
}

void sim_partition(struct sim *sim, struct io *a, struct io *b, bool one_way)
{
    cut(sim, place_of(a), place_of(b));
    if (!one_way) {
        cut(sim, place_of(b), place_of(a));
    }
    sim_pipe_review(sim);
}

void sim_isolate(struct io *io)
{
    place_of(io)->isolated = true;
    sim_pipe_review(sim_node_of(io)->sim);
}

void sim_rejoin(struct io *io)
{
    place_of(io)->isolated = false;
    sim_pipe_review(sim_node_of(io)->sim);
}

void sim_heal(struct sim *sim, struct io *a, struct io *b)
{
    mend(sim, place_of(a), place_of(b));
    mend(sim, place_of(b), place_of(a));
    sim_pipe_review(sim);
}

void sim_heal_all(struct sim *sim)
{
    list_each(&sim->cuts, it, after)
    {
        list_unlink(it);
        mem_free(list_entry(it, struct sim_cut, link));
    }
    list_each(&sim->places, it2, after2)
    {
        list_entry(it2, struct sim_place, link)->isolated = false;
    }
    sim_pipe_review(sim);
}

void sim_reset(struct sim *sim, struct io *a, struct io *b)
{
    sim_pipe_reset(sim, place_of(a), place_of(b));
}

static struct sim_route *find_route(const struct sim *sim,
                                    const struct sim_place *a,
                                    const struct sim_place *b)
{
    list_each(&sim->routes, it, after)
    {
        struct sim_route *route = list_entry(it, struct sim_route, link);

        if ((route->a == a && route->b == b) ||
            (route->a == b && route->b == a)) {
            return route;
        }
    }
    return NULL;
}

struct sim_path sim_path_between(const struct sim *sim,
                                 const struct sim_place *a,
                                 const struct sim_place *b)
{
    struct sim_route *route = find_route(sim, a, b);

    return route != NULL ? route->path : sim->path;
}

void sim_set_path(struct sim *sim, struct io *a, struct io *b,
                  struct sim_path path)
{
    struct sim_route *route = find_route(sim, place_of(a), place_of(b));

    if (route == NULL) {
        route = sim_alloc(sizeof(*route));
        route->a = place_of(a);
        route->b = place_of(b);
        list_init(&route->link);
        list_push(&sim->routes, &route->link);
    }
    route->path = path;
}

void sim_set_paths(struct sim *sim, struct sim_path path)
{
    sim->path = path;
}

void sim_reset_path(struct sim *sim, struct io *a, struct io *b)
{
    struct sim_route *route = find_route(sim, place_of(a), place_of(b));

    if (route != NULL) {
        list_unlink(&route->link);
        mem_free(route);
    }
}
