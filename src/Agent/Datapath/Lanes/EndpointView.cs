using System.Collections.Immutable;
using System.Net;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>The containers of this host as lane 2 sees them.</summary>
/// <param name="Endpoints">Those it can reach, by address.</param>
/// <param name="LeftOut">Those it cannot, with the reason.</param>
public sealed record EndpointView(ImmutableSortedDictionary<string, Endpoint> Endpoints, ImmutableSortedDictionary<string, string> LeftOut)
{
    /// <summary>No containers.</summary>
    public static EndpointView Empty { get; } =
        new(ImmutableSortedDictionary<string, Endpoint>.Empty.WithComparers(StringComparer.Ordinal), ImmutableSortedDictionary<string, string>.Empty.WithComparers(StringComparer.Ordinal));

    /// <summary>Leaves out every container on a port for which there is a reason.</summary>
    public EndpointView Without(IReadOnlyDictionary<int, string> reasons)
    {
        var closed = Endpoints.Values.Where(e => reasons.ContainsKey(e.Port)).ToList();
        return closed.Count == 0
            ? this
            : new(Endpoints.RemoveRange(closed.Select(e => e.Address.ToString())), LeftOut.SetItems(closed.Select(e => KeyValuePair.Create(e.Address.ToString(), reasons[e.Port]))));
    }

    /// <summary>The endpoint of an address, or null.</summary>
    public Endpoint? Find(IPAddress address) => Endpoints.GetValueOrDefault(address.ToString());
}
