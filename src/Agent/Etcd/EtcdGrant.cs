namespace Accelerated.Agent.Etcd;

/// <summary>A granted etcd lease.</summary>
/// <param name="Id">Its id, chosen by etcd; never 0.</param>
/// <param name="Ttl">Its time to live, whole seconds; etcd may grant more than was asked for, never less.</param>
public sealed record EtcdGrant(long Id, TimeSpan Ttl);
