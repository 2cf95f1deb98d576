using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;

namespace Accelerated.Agent.Etcd;

/// <summary>
/// One endpoint: at most one HTTP/2 connection, opened when first needed and again when lost, and gRPC calls over it.
/// Everything it throws is an <see cref="EtcdException"/>, or the caller's own cancellation.
/// </summary>
internal sealed class EtcdConnection : IDisposable
{
    private readonly EtcdDialer _dialer;
    private readonly TimeSpan _requestTimeout;
    private readonly TimeProvider _time;
    private readonly string _grpcTimeout;
    private readonly CancellationTokenSource _closing = new();
    private HttpMessageInvoker _http;
    private bool _hasAnswered;

    internal EtcdConnection(Uri endpoint, EtcdTls tls, EtcdClientOptions options, TimeProvider time)
    {
        Endpoint = endpoint;
        _requestTimeout = options.RequestTimeout;
        _time = time;
        // At most eight digits; in milliseconds that is a day.
        var milliseconds = Math.Clamp((long)options.RequestTimeout.TotalMilliseconds, 1, 99_999_999);
        _grpcTimeout = milliseconds.ToString(CultureInfo.InvariantCulture) + "m";
        var connectTimeout = TimeSpan.FromTicks(Math.Min(options.ConnectTimeout.Ticks, options.RequestTimeout.Ticks / 2));
        _dialer = new EtcdDialer(endpoint, tls, connectTimeout, time);
        _http = NewInvoker();
    }

    /// <summary>Where it leads.</summary>
    internal Uri Endpoint { get; }

    /// <summary>
    /// One request, one answer. Also serves a bidirectional stream of one round: the request ends the client's side.
    /// </summary>
    /// <param name="method">The RPC.</param>
    /// <param name="request">Its request.</param>
    /// <param name="token">Token of etcd's authentication, if any.</param>
    /// <param name="write">Whether <see cref="EtcdException.OutcomeUnknown"/> applies when the answer is lost.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    internal async Task<TResponse> CallAsync<TResponse>(
        GrpcMethod<TResponse> method, IMessage request, string? token, bool write, CancellationToken cancellationToken)
        where TResponse : class, IMessage<TResponse>
    {
        using var late = new CancellationTokenSource(_requestTimeout, _time);
        using var any = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token, _closing.Token);
        HttpResponseMessage? response = null;
        try
        {
            using var message = NewRequest(method.Path, FramedContent(request), token);
            message.Headers.Add("grpc-timeout", _grpcTimeout);
            response = await SendAsync(message, any.Token).ConfigureAwait(false);
            var body = await response.Content.ReadAsStreamAsync(any.Token).ConfigureAwait(false);
            var reader = new GrpcReader(body);
            var answer = await reader.ReadAsync(method.Parser, any.Token).ConfigureAwait(false);
            // The trailers come after the end of the body, so it has to be seen.
            if (answer is not null && await reader.ReadAsync(method.Parser, any.Token).ConfigureAwait(false) is not null)
                throw new InvalidDataException("it sent two answers to one request");

            using (response)
                CheckStatus(response, write);
            return answer ?? throw new InvalidDataException("it sent no answer and no error");
        }
        catch (Exception e) when (e is not EtcdException)
        {
            // An answer of a connection that went down is not disposed of: see EtcdWatch.Dispose.
            if (any.IsCancellationRequested || e is InvalidDataException or MessageTooLongException)
                response?.Dispose();
            throw Failure(e, late.IsCancellationRequested, write, cancellationToken);
        }
    }

    /// <summary>Opens a watch and waits until etcd has confirmed it.</summary>
    /// <param name="request">The frame's message, a create request.</param>
    /// <param name="token">Token of etcd's authentication, if any.</param>
    /// <param name="cancellationToken">Ends the watch, now or later.</param>
    internal async Task<EtcdWatch> WatchAsync(IMessage request, string? token, CancellationToken cancellationToken)
    {
        var lifetime = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token);
        var content = new WatchContent(GrpcReader.Frame(request));
        HttpResponseMessage? response = null;
        using var late = new CancellationTokenSource(_requestTimeout, _time);
        using var onLate = late.Token.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), lifetime);
        try
        {
            // The answer's headers come while the request is still open; the request message must live as long as the watch.
            response = await SendAsync(NewRequest(EtcdMethods.Watch.Path, content, token), lifetime.Token).ConfigureAwait(false);
            var body = await response.Content.ReadAsStreamAsync(lifetime.Token).ConfigureAwait(false);
            var watch = new EtcdWatch(this, response, body, content, _time, lifetime, cancellationToken);
            await watch.ConfirmAsync().ConfigureAwait(false);
            return watch;
        }
        catch (Exception e)
        {
            // An answer of a connection that went down is not disposed of: see EtcdWatch.Dispose.
            if (e is EtcdException || lifetime.IsCancellationRequested)
                response?.Dispose();
            // Not before the timer that may be about to cancel it: what is thrown on its thread ends the process.
            await onLate.DisposeAsync().ConfigureAwait(false);
            lifetime.Dispose();
            if (e is EtcdException)
                throw;

            throw Failure(e, late.IsCancellationRequested, write: false, cancellationToken);
        }
    }

    /// <summary>Throws when the trailers of an answer that was read to its end say anything but OK.</summary>
    internal void CheckStatus(HttpResponseMessage response, bool write)
    {
        var status = GrpcStatus.Of(response) ?? throw new EndOfStreamException("the answer ends without a status");
        if (status.Code != EtcdStatusCode.Ok)
            throw EtcdFailure.FromStatus(status, Endpoint, write);
    }

    /// <summary>What to throw for an exception of the HTTP stack.</summary>
    internal Exception Failure(Exception e, bool timedOut, bool write, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return new OperationCanceledException(e.Message, e, cancellationToken);

        if (_closing.IsCancellationRequested)
            return new ObjectDisposedException(nameof(EtcdClient));

        if (timedOut)
        {
            Abort();
            return EtcdFailure.TimedOut(Endpoint, _requestTimeout, write, e);
        }

        return EtcdFailure.FromException(e, Endpoint, _dialer.Alert, Volatile.Read(ref _hasAnswered), write);
    }

    /// <summary>Ends the connection there is, and what is under way on it; the next call opens another.</summary>
    internal void Abort()
    {
        if (_closing.IsCancellationRequested)
            return;
        // Not the connection alone: until the HTTP stack has noticed its end it would hand it to the next call.
        var old = Interlocked.Exchange(ref _http, NewInvoker());
        _dialer.Abort();
        old.Dispose();
    }

    /// <summary>Ends all calls and closes the connection.</summary>
    public void Dispose()
    {
        _closing.Cancel();
        Volatile.Read(ref _http).Dispose();
    }

    private HttpMessageInvoker NewInvoker() => new(new SocketsHttpHandler
    {
        ConnectCallback = _dialer.ConnectAsync,
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        ActivityHeadersPropagator = null,
        EnableMultipleHttp2Connections = false,
        // etcd takes pings less than 5 s apart as abuse and answers ENHANCE_YOUR_CALM (seen at 2 s, not at 6 s).
        KeepAlivePingDelay = TimeSpan.FromSeconds(6),
        KeepAlivePingTimeout = TimeSpan.FromSeconds(4),
        KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
    });

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage message, CancellationToken cancellationToken)
    {
        var response = await Volatile.Read(ref _http).SendAsync(message, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.OK
            && response.Content.Headers.ContentType?.MediaType is { } type
            && type.StartsWith("application/grpc", StringComparison.Ordinal))
        {
            Volatile.Write(ref _hasAnswered, true);
            return response;
        }

        using (response)
            throw EtcdFailure.NotGrpc(response, Endpoint);
    }

    private HttpRequestMessage NewRequest(string path, HttpContent content, string? token)
    {
        content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        var message = new HttpRequestMessage(HttpMethod.Post, new Uri(Endpoint, path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        message.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        message.Headers.Add("hasleader", "true");
        if (token is not null)
            message.Headers.TryAddWithoutValidation("token", token);

        return message;
    }

    private static ByteArrayContent FramedContent(IMessage message) => new(GrpcReader.Frame(message));
}
