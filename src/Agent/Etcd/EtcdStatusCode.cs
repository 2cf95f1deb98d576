namespace Accelerated.Agent.Etcd;

/// <summary>Why a call failed: the gRPC status codes, with their numbers.</summary>
public enum EtcdStatusCode
{
    /// <summary>No failure.</summary>
    Ok = 0,

    /// <summary>The server gave the call up.</summary>
    Cancelled = 1,

    /// <summary>Something the server has no better word for.</summary>
    Unknown = 2,

    /// <summary>The request itself is wrong.</summary>
    InvalidArgument = 3,

    /// <summary>No answer in time.</summary>
    DeadlineExceeded = 4,

    /// <summary>What the request names is not there (an etcd lease, for instance).</summary>
    NotFound = 5,

    /// <summary>What the request would create is there.</summary>
    AlreadyExists = 6,

    /// <summary>The user may not do this.</summary>
    PermissionDenied = 7,

    /// <summary>Out of space, or too many requests.</summary>
    ResourceExhausted = 8,

    /// <summary>The store is not in a state for this.</summary>
    FailedPrecondition = 9,

    /// <summary>Gave way to something concurrent.</summary>
    Aborted = 10,

    /// <summary>A revision that is compacted or still to come.</summary>
    OutOfRange = 11,

    /// <summary>The server does not know the method: no etcd v3, or a very old one.</summary>
    Unimplemented = 12,

    /// <summary>The server, or what answers in its place, broke the protocol.</summary>
    Internal = 13,

    /// <summary>Not reachable, no leader, or the connection was lost.</summary>
    Unavailable = 14,

    /// <summary>The store is damaged.</summary>
    DataLoss = 15,

    /// <summary>User, password, token or certificate was not accepted.</summary>
    Unauthenticated = 16,
}
